"""What a pipeline's configuration says about jobs that fail: `retry`, `max_crashes`, `dead_letter`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, TypeVar

from pydantic import ValidationError, model_validator

from rrjobs.errors import DriverError
from rrjobs.pipeline.dead_letter import Limits
from rrjobs.pipeline.policy import DEFAULT_MAX_S, PLAIN, Policy, PolicyError, Retry
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Int, Seconds, parse_integer


class RetryConfig(Section):
    """Jobs that fail are run again, later and later; without this section only crashes lead to another run."""

    max_attempts: Int = setting(5, "Runs in all; what fails in the last one goes to the dead letters.", unit="runs")
    initial_s: Seconds = setting(1.0, "Wait after the first failure; a number of seconds or a duration.")
    factor: float = setting(2.0, "Each wait is so many times the one before.")
    max_s: Seconds = setting(DEFAULT_MAX_S, "Longest wait; left out it grows with a longer `initial`.")
    jitter: float = setting(0.2, "Part of each wait that is left to chance, up or down: 0 none, 1 all of it.")
    retry_for_s: Seconds = setting(0.0, "No retry begins later than this after the push; 0 is no limit.")

    def value(self) -> Retry:
        """As the pipeline uses it; raises PolicyError."""
        longest_s = self.max_s if "max_s" in self.model_fields_set else max(DEFAULT_MAX_S, self.initial_s)
        return Retry(self.max_attempts, self.initial_s, self.factor, longest_s, self.jitter, self.retry_for_s)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        try:
            self.value()
        except PolicyError as err:
            raise ValueError(str(err)) from err
        return self


class DeadLetterConfig(Section):
    """How much a pipeline keeps of what failed for good; the oldest letters go first, and are counted."""

    max_letters: Int = setting(10_000, "Letters kept.", unit="letters", ge=1)
    max_bytes: Int = setting(64 * 2**20, "Memory they may take, payloads included.", unit="bytes", ge=1)
    max_age_s: Seconds = setting(
        14 * 24 * 3600.0, "How long a letter is kept; a number of seconds or a duration, 0 for ever."
    )

    def value(self) -> Limits:
        """As the driver uses it."""
        return Limits(self.max_letters, self.max_bytes, self.max_age_s)


S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class Failing:
    """What becomes of a pipeline's jobs that fail: who is run again, and how many letters are kept."""

    policy: Policy
    limits: Limits


def declared_failing(spec: Mapping[str, str]) -> Failing:
    """From the texts of a declaration, where `retry` and `dead_letter` are JSON; raises DriverError."""
    try:
        crashes = parse_integer(spec["max_crashes"]) if "max_crashes" in spec else PLAIN.max_crashes
        retry = _section(RetryConfig, spec, "retry")
        letters = _section(DeadLetterConfig, spec, "dead_letter") or DeadLetterConfig()
        return Failing(Policy(crashes, retry.value() if retry else None), letters.value())
    except (PolicyError, ValueError) as err:
        raise DriverError(f"the pipeline cannot be declared: {err}") from err


def _section(model: type[S], spec: Mapping[str, str], key: str) -> S | None:
    if not spec.get(key):
        return None
    try:
        return model.model_validate_json(spec[key])
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join((key, *map(str, first["loc"])))
        raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from err
