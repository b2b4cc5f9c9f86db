"""How often values fell where: the cumulative buckets of a histogram, the recent quantiles of a summary."""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from rrjobs.services.exposition import Labels, Sample, number

RECENT = 1000
RECENT_S = 600.0
"""A summary's quantiles are those of the last 1,000 values, none of them older than ten minutes (the Go client: all of
ten minutes, estimated within the objective's error)."""


class Buckets:
    """Counts by upper bound."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(sorted(bounds))
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def samples(self, labels: Labels = ()) -> Iterator[Sample]:
        """The lines of one histogram."""
        total = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            yield Sample(total, (*labels, ("le", number(bound))), "_bucket")
        yield Sample(self._sum, labels, "_sum")
        yield Sample(total, labels, "_count")


class Quantiles:
    """A sum, a count, and quantiles of what came lately; `objectives` has them as keys."""

    def __init__(self, objectives: Mapping[float, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._wanted = tuple(sorted(objectives))
        self._clock = clock
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT)
        self._sum = 0.0
        self._count = 0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._sum += value
        self._count += 1
        if self._wanted:
            self._recent.append((self._clock(), value))

    def samples(self, labels: Labels = ()) -> Iterator[Sample]:
        """The lines of one summary; a quantile of nothing is NaN."""
        oldest = self._clock() - RECENT_S
        values = sorted(value for at, value in self._recent if at >= oldest)
        for quantile in self._wanted:
            rank = min(len(values) - 1, int(quantile * len(values)))
            yield Sample(values[rank] if values else float("nan"), (*labels, ("quantile", number(quantile))))
        yield Sample(self._sum, labels, "_sum")
        yield Sample(self._count, labels, "_count")
