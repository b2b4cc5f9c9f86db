"""The limits of one pipeline, checked together."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from rrjobs.errors import RRJobsError
from rrjobs.worker.scaling_config import MAX_WORKERS

MAX_RATE = 1_000_000
MIN_PER_S = 0.001
MAX_PER_S = 24 * 3600.0
MAX_AGING_S = 7 * 24 * 3600.0


class LimitsError(RRJobsError):
    """Values that are no limits; the text says which and what would be right."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` jobs begin in any `per_s` seconds; with `key`, for each value of that header."""

    limit: int
    per_s: float = 1.0
    key: str = ""

    def __post_init__(self) -> None:
        if complaint := _outside("rate.limit", self.limit, 1, MAX_RATE):
            raise LimitsError(complaint)
        if complaint := _outside("rate.per_s", self.per_s, MIN_PER_S, MAX_PER_S):
            raise LimitsError(complaint)

    def __str__(self) -> str:
        each = f" for each `{self.key}`" if self.key else ""
        return f"{self.limit} in {self.per_s:g} s{each}"


@dataclass(frozen=True, slots=True)
class Limits:
    """`reserve` workers are kept free for the pipeline, `max_workers` is the most it has, `concurrency` the most for
    one value of the header `concurrency_key`; waiting `aging_s` counts as much as a priority one lower. 0: no limit.
    Jobs with one value of the header `ordering_key` run one after another, in the order in which they came.
    """

    reserve: int = 0
    max_workers: int = 0
    aging_s: float = 0.0
    concurrency: int = 0
    concurrency_key: str = ""
    rate: Rate | None = None
    ordering_key: str = ""

    def __post_init__(self) -> None:
        complaint = (
            _outside("reserve", self.reserve, 0, MAX_WORKERS)
            or _outside("max_workers", self.max_workers, 0, MAX_WORKERS)
            or _outside("aging_s", self.aging_s, 0, MAX_AGING_S)
            or _outside("concurrency", self.concurrency, 0, MAX_WORKERS)
        )
        if complaint:
            raise LimitsError(complaint)
        if self.concurrency and not self.concurrency_key:
            raise LimitsError("concurrency needs a concurrency_key, the header whose values it counts")
        if self.concurrency_key and not self.concurrency:
            raise LimitsError("concurrency_key needs a concurrency, how many may run for each of its values")
        if self.concurrency and self.ordering_key:
            raise LimitsError("concurrency cannot go with `ordering: key`, by which one job of a key runs at once")

    @property
    def gated(self) -> bool:
        """Whether any of its jobs may have to wait for another one to end, or for time to pass."""
        return bool(self.max_workers or self.concurrency or self.rate or self.ordering_key)

    def __str__(self) -> str:
        told = [f"{key}={getattr(self, key):g}" for key in ("reserve", "max_workers", "aging_s") if getattr(self, key)]
        told += [f"concurrency={self.concurrency} for each `{self.concurrency_key}`"] if self.concurrency else []
        told += [f"rate={self.rate}"] if self.rate else []
        told += [f"ordering by `{self.ordering_key}`"] if self.ordering_key else []
        return " ".join(told) or "none"

    def told(self) -> Mapping[str, object]:
        """As JSON has it; what is no limit is null."""
        told: dict[str, object] = {name: value or None for name, value in asdict(self).items()}
        return {**told, "ordering": "key" if self.ordering_key else None}


def _outside(name: str, value: float, least: float, most: float) -> str:
    if least <= value <= most:
        return ""
    return f"{name} must be between {_shown(least)} and {_shown(most)}, got {_shown(value)}"


def _shown(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:g}"
