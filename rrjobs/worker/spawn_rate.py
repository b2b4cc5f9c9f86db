"""How many workers may be started now: a rate per second, and none for a while after a start that failed."""

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 30.0


class SpawnRate:
    """Up to one second's worth is saved up. Times are given by the caller and never go back."""

    def __init__(self, rate: int, now: float) -> None:
        self._rate = rate
        self._saved = float(rate)
        self._at = now
        self._paused_until = now
        self._pause_s = FIRST_PAUSE_S

    def left(self, now: float) -> int:
        """Starts that are allowed at this moment."""
        return 0 if now < self._paused_until else int(self._saved_at(now))

    def next_in_s(self, now: float) -> float:
        """When one more will be."""
        missing = 1.0 - self._saved_at(now) % 1.0
        return max(missing / self._rate, self._paused_until - now)

    def spend(self, number: int, now: float) -> None:
        """So many were started."""
        self._saved = self._saved_at(now) - number
        self._at = now

    def failed(self, now: float) -> float:
        """One could not start: no more for a while, each time for longer; returns how long. Those side by side with
        it fail for the same reason and add nothing.
        """
        if now >= self._paused_until:
            self._paused_until = now + self._pause_s
            self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S)
        return self._paused_until - now

    def worked(self) -> None:
        """One did start."""
        self._pause_s = FIRST_PAUSE_S

    def _saved_at(self, now: float) -> float:
        return min(float(self._rate), self._saved + (now - self._at) * self._rate)
