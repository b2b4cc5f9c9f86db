"""The retry policy: how often, how soon and how long a job that failed is run again.

A pipeline has one. A job may carry other values in the header `rr-retry`, written `max_attempts=5,initial=2s`, and a
worker's answer may bring some in its field `retry`; they replace the pipeline's one by one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rrjobs.errors import RRJobsError
from rrjobs.pipeline.job import MAX_DELAY_S
from rrjobs.runtime.duration import format_duration
from rrjobs.runtime.values import parse_integer, parse_whole_seconds, shown

RETRY = "rr-retry"
"""The header of a job that has other values than its pipeline."""

DEFAULT_MAX_CRASHES = 3
DEFAULT_MAX_S = 3600.0
MAX_INTERRUPTIONS = 10
"""Servers that may be killed while a worker has the job. Nobody knows which of the jobs that ran was to blame: far more
than crashes of its own, and yet no server is killed by the same job for ever."""
MAX_RUNS = 1_000_000
"""More attempts than this mean a job that goes round for ever."""

Changes = Mapping[str, float | int]
"""Values of a policy by field name; they were checked one by one, not yet together."""

_DURATIONS = {"initial": "initial_s", "max": "max_s", "retry_for": "retry_for_s"}
_COUNTS = ("max_attempts", "max_crashes")
_NUMBERS = ("factor", "jitter")


class PolicyError(RRJobsError):
    """Values that are no policy; the text says which and what would be right."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Backoff: attempt n is followed by `initial_s * factor**(n - 1)`, `max_s` at most, more or less by `jitter`.

    `retry_for_s`: no retry begins later than this after the push; 0 is no limit. Raises PolicyError.
    """

    max_attempts: int = 5
    initial_s: float = 1.0
    factor: float = 2.0
    max_s: float = DEFAULT_MAX_S
    jitter: float = 0.2
    retry_for_s: float = 0.0

    def __post_init__(self) -> None:
        if complaint := self._complaint():
            raise PolicyError(complaint)

    def delay_s(self, attempt: int, random: float) -> float:
        """How long to wait after this attempt; `random` from 0 to 1 chooses within the jitter."""
        try:
            delay_s = min(self.max_s, self.initial_s * self.factor ** (attempt - 1))
        except OverflowError:
            delay_s = self.max_s if self.initial_s else 0.0
        return min(self.max_s, delay_s * (1 + self.jitter * (2 * random - 1)))

    def _complaint(self) -> str:
        if not 1 <= self.max_attempts <= MAX_RUNS:
            return f"max_attempts must be 1 to {MAX_RUNS}, got {self.max_attempts}"
        if not (1 <= self.factor <= 1000):
            return f"factor must be 1 to 1000, got {self.factor:g}"
        if not 0 <= self.jitter <= 1:
            return f"jitter must be a part from 0 to 1, got {self.jitter:g}"
        for name, value in (("initial", self.initial_s), ("max", self.max_s), ("retry_for", self.retry_for_s)):
            if not 0 <= value <= MAX_DELAY_S:
                return f"{name} must be 0 to 100 years ({MAX_DELAY_S} seconds), got {value:g}"
        if self.max_s < self.initial_s:
            longest, first = format_duration(self.max_s), format_duration(self.initial_s)
            return f"max ({longest}) is shorter than initial ({first})"
        return ""


@dataclass(frozen=True, slots=True)
class Policy:
    """All that decides over another run; without `retry` only faults of the execution lead to one."""

    max_crashes: int = DEFAULT_MAX_CRASHES
    retry: Retry | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.max_crashes <= MAX_RUNS:
            raise PolicyError(f"max_crashes must be 1 to {MAX_RUNS}, got {self.max_crashes}")

    def changed(self, changes: Changes) -> "Policy":
        """This policy with other values; of `initial` and `max` the one that was not given makes way."""
        crashes = int(changes.get("max_crashes", self.max_crashes))
        values = {name: value for name, value in changes.items() if name != "max_crashes"}
        if not values:
            return replace(self, max_crashes=crashes)
        base = self.retry or Retry()
        if "max_s" not in values and values.get("initial_s", 0.0) > base.max_s:
            values["max_s"] = values["initial_s"]
        if "initial_s" not in values and values.get("max_s", math.inf) < base.initial_s:
            values["initial_s"] = values["max_s"]
        return Policy(crashes, replace(base, **values))  # type: ignore[arg-type]


PLAIN = Policy()


def parse_changes(text: str) -> Changes:
    """The value of the header `rr-retry`; raises PolicyError."""
    pairs: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals:
            raise PolicyError(f"rr-retry is written max_attempts=5,initial=2s, got {shown(text)}")
        pairs[name.strip()] = value.strip()
    return checked_changes(pairs)


def checked_changes(given: Mapping[str, object]) -> Changes:
    """Values by the names that the configuration has; raises PolicyError, also for what is absurd in itself."""
    changes: dict[str, float | int] = {}
    for name, value in given.items():
        field, number = _one(name.removesuffix("_s"), value)
        changes[field] = number
    PLAIN.changed(changes)
    return changes


def written(changes: Changes) -> str:
    """The text that `parse_changes` reads."""
    durations = {field: name for name, field in _DURATIONS.items()}
    parts = []
    for field, value in changes.items():
        if field in durations:
            parts.append(f"{durations[field]}={format_duration(value)}")
        else:
            parts.append(f"{field}={value:.15g}")
    return ",".join(parts)


def _one(name: str, value: object) -> tuple[str, float | int]:
    try:
        if name in _COUNTS:
            return name, parse_integer(value)
        if name in _DURATIONS:
            return _DURATIONS[name], parse_whole_seconds(value)
        if name in _NUMBERS and isinstance(value, str | int | float) and not isinstance(value, bool):
            return name, float(value)
    except ValueError as err:
        raise PolicyError(f"{name}: {err}") from err
    if name in _NUMBERS:
        raise PolicyError(f"{name}: must be a number, got {shown(value)}")
    known = ", ".join((*_COUNTS, *_DURATIONS, *_NUMBERS))
    raise PolicyError(f"{name}: there is no such value of a retry policy; there are {known}")
