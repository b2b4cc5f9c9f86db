"""How many deliveries may be written to a worker ahead of its answers.

With `auto` the depth follows what executions of one kind took: the time budget over their average, and 1 as soon as
they are slow, unknown, or their spread is wide. A kind that was slow once stays at 1 for some thousand executions.
"""

from collections.abc import Mapping

MAX_DEPTH = 64
BUDGET_S = 0.002
"""What waits behind the running delivery of a worker should take no longer than this."""

MIN_SAMPLES = 8
WIDE_S = 0.005
WIDE_FACTOR = 10.0
MAX_KINDS = 1024
_WEIGHT = 0.1
_FADE = 0.999


class _Kind:
    """Moving average and slowly fading peak of one kind's execution time, in seconds."""

    __slots__ = ("average_s", "depth", "peak_s", "samples")

    def __init__(self) -> None:
        self.average_s = 0.0
        self.peak_s = 0.0
        self.samples = 0
        self.depth = 1

    def add(self, finished: int, elapsed_s: float) -> None:
        """`finished` executions took `elapsed_s`. Only a single one tells a peak: many at once tell a late reader."""
        sample = elapsed_s / finished
        self.samples += finished
        if self.samples <= MIN_SAMPLES:
            self.average_s = max(self.average_s, sample)
        else:
            self.average_s += _WEIGHT * (sample - self.average_s)
        self.peak_s *= _FADE**finished
        if finished == 1 and sample > self.peak_s:
            self.peak_s = sample
        self.depth = self._measure()

    def _measure(self) -> int:
        if self.samples < MIN_SAMPLES or self.peak_s > max(WIDE_S, WIDE_FACTOR * self.average_s):
            return 1
        return max(1, min(MAX_DEPTH, int(BUDGET_S / max(self.average_s, 1e-6))))


class Prefetch:
    """The depth per delivery: fixed for a mode, or measured per kind where the mode says `auto`."""

    def __init__(self, settings: Mapping[str, int | str]) -> None:
        self._fixed = {mode: value for mode, value in settings.items() if isinstance(value, int)}
        self._kinds: dict[str, _Kind] = {}
        self._other = _Kind()
        self.deep = any(value == "auto" or value != 1 for value in settings.values())

    def depth(self, mode: str, kind: str) -> int:
        """How many deliveries a worker may hold when one of this mode and kind is among them."""
        fixed = self._fixed.get(mode)
        if fixed is not None:
            return fixed
        known = self._kinds.get(kind)
        return known.depth if known is not None else 1

    def alone(self, mode: str) -> None:
        """From now on a worker that has a delivery of this mode has no other."""
        self._fixed[mode] = 1

    def observed(self, kind: str, finished: int, elapsed_s: float) -> None:
        """`finished` executions, the last of this kind, took `elapsed_s` together."""
        known = self._kinds.get(kind)
        if known is None:
            if len(self._kinds) >= MAX_KINDS:
                return
            known = self._kinds[kind] = _Kind()
        known.add(finished, elapsed_s)
