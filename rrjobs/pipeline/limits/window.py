"""How many jobs have begun in the last seconds: never more than the limit in any window, wherever it is laid.

Every begin is remembered until it is `per_s` old. Begins close together share one entry, which is as young as its last:
so the memory of a window is bounded, and the limit errs by less than a 64th to the slow side, never to the fast one.
"""

from collections import deque
from typing import Protocol

PARTS = 64


class Cancellable(Protocol):
    """A timer that was armed."""

    def cancel(self) -> None: ...


class Window:
    """`unstarted` jobs were let go on and have not begun: each of them has its place already."""

    __slots__ = ("_entries", "_logged", "limit", "per_s", "timer", "unstarted")

    def __init__(self, limit: int, per_s: float) -> None:
        self.limit = limit
        self.per_s = per_s
        self.unstarted = 0
        self.timer: Cancellable | None = None
        self._entries: deque[list[float]] = deque()  # first, last, number
        self._logged = 0

    def free(self, now: float) -> bool:
        """Whether one more may be let go on."""
        self._forget(now)
        return self.unstarted + self._logged < self.limit

    def begun(self, now: float) -> None:
        """One has begun."""
        entries = self._entries
        if entries and now - entries[-1][0] < self.per_s / PARTS:
            entries[-1][1] = now
            entries[-1][2] += 1
        else:
            entries.append([now, now, 1])
        self._logged += 1

    def not_begun(self) -> None:
        """The last one has not, after all, and has its place still."""
        last = self._entries[-1]
        last[2] -= 1
        if not last[2]:
            self._entries.pop()
        self._logged -= 1
        self.unstarted += 1

    def opens_at(self) -> float | None:
        """When the oldest begin is forgotten; None when only a begin or a return can change anything."""
        return self._entries[0][1] + self.per_s if self._entries else None

    def idle(self, now: float) -> bool:
        """Whether nothing would be lost with it."""
        self._forget(now)
        return not self._entries and not self.unstarted and self.timer is None

    def disarm(self) -> None:
        """No timer any more; safe without one."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _forget(self, now: float) -> None:
        entries = self._entries
        while entries and entries[0][1] + self.per_s <= now:
            self._logged -= int(entries.popleft()[2])
