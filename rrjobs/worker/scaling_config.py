"""The keys `pool.autoscale` and RoadRunner's `pool.dynamic_allocator`: how the number of workers follows the load."""

from typing import Annotated

from pydantic import AfterValidator, model_validator

from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import DurationOrDefault, Int, SecondsOrDefault

MAX_WORKERS = 500
DEFAULT_TARGET_WAIT_MS = 50
DEFAULT_IDLE_S = 60.0
DEFAULT_EXTRA = 10
DEFAULT_RATE = 5
MOST = 100
"""RoadRunner takes larger numbers of its keys for this one."""


def _at_most_100(default: int) -> AfterValidator:
    return AfterValidator(lambda number: min(number, MOST) or default)


class AutoscaleConfig(Section):
    """More workers while deliveries wait too long for one, fewer when they idle."""

    min: Int = setting(0, "Fewest workers; 0 is `num_workers`.", unit="processes", ge=0, le=MAX_WORKERS)
    max: Int = setting(..., "Most workers.", unit="processes", ge=1, le=MAX_WORKERS)
    target_wait_ms: Int = setting(
        DEFAULT_TARGET_WAIT_MS,
        "Longest time a delivery should wait for a worker; beyond it more are started.",
        unit="ms",
        ge=1,
        le=3_600_000,
    )
    spawn_rate: Int = setting(32, "Starts per second.", unit="processes", ge=1, le=MAX_WORKERS)
    idle_s: SecondsOrDefault = setting(
        DEFAULT_IDLE_S, "How long a worker above `min` may sit idle before it is stopped.", alias="idle_s"
    )

    @model_validator(mode="after")
    def _in_order(self) -> "AutoscaleConfig":
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max}): no number of workers would be right")
        return self


class DynamicAllocatorConfig(Section):
    """RoadRunner's keys for the same: `num_workers` are always there, up to `max_workers` come on top."""

    max_workers: Annotated[Int, _at_most_100(DEFAULT_EXTRA)] = setting(
        DEFAULT_EXTRA,
        "Workers on top of `num_workers`; 0 is the default, more than 100 are 100.",
        unit="processes",
        ge=0,
    )
    spawn_rate: Annotated[Int, _at_most_100(DEFAULT_RATE)] = setting(
        DEFAULT_RATE,
        "Starts per second; 0 is the default, more than 100 are 100.",
        unit="processes",
        differs="per shortage there",
        ge=0,
    )
    idle_timeout_s: Annotated[
        DurationOrDefault, AfterValidator(lambda idle_s: DEFAULT_IDLE_S if idle_s < 1 else idle_s)
    ] = setting(
        DEFAULT_IDLE_S,
        "How long a worker above `num_workers` may sit idle before it is stopped; below 1s it is the default.",
        differs="all extra workers at once there, busy or not",
    )
