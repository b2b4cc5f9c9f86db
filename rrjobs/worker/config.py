"""The `server` section and the `pool` sections: how PHP workers are started, lent and replaced."""

import os
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema, model_validator

from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import (
    Duration,
    DurationOrDefault,
    Environment,
    Flag,
    Int,
    Kind,
    parse_integer,
    shown,
)
from rrjobs.worker.autoscale import Limits
from rrjobs.worker.command import split_command
from rrjobs.worker.relay_address import check_relay
from rrjobs.worker.reserve_config import ReserveConfig
from rrjobs.worker.scaling_config import (
    DEFAULT_TARGET_WAIT_MS,
    MAX_WORKERS,
    AutoscaleConfig,
    DynamicAllocatorConfig,
)

MAX_PREFETCH = 64
STARTS_PER_CORE = 2
"""Starts side by side of one pool: more would only slow each other down, and those at work."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _workers(value: object) -> int:
    number = parse_integer(value)
    if number > MAX_WORKERS:
        raise ValueError(f"number of workers can't be more than {MAX_WORKERS}, got {number}")
    if number < 0:
        raise ValueError(f"must be 0 (one worker per core) to {MAX_WORKERS}, got {number}")
    return number


def _prefetch(value: object) -> int | str:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    try:
        number = parse_integer(value)
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_PREFETCH:
        raise ValueError(f"must be auto or a whole number from 1 to {MAX_PREFETCH}, got {shown(value)}")
    return number


def _given(command: tuple[str, ...]) -> tuple[str, ...]:
    if not command:
        raise ValueError("should not be empty: write the command, or remove its section")
    return command


Command = Annotated[
    tuple[str, ...],
    Kind("text or list of texts"),
    PlainValidator(split_command),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
_PREFETCH_SCHEMA = {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": MAX_PREFETCH}]}
Prefetch = Annotated[
    int | Literal["auto"], Kind("`auto` or integer"), PlainValidator(_prefetch), WithJsonSchema(_PREFETCH_SCHEMA)
]
_WORKERS_SCHEMA = {"type": "integer", "minimum": 0, "maximum": MAX_WORKERS}
Workers = Annotated[
    int,
    Kind("integer"),
    AfterValidator(lambda number: number or cores()),
    BeforeValidator(_workers),
    WithJsonSchema(_WORKERS_SCHEMA),
]


class SupervisorConfig(Section):
    """Limits on a worker's age, idleness, execution time and memory; each is off at 0."""

    watch_tick_s: DurationOrDefault = setting(5.0, "How often the limits are checked.")
    ttl_s: Duration = setting(0.0, "Age at which a worker is replaced after its current delivery.")
    idle_ttl_s: Duration = setting(
        0.0, "How long a worker that was used at least once may sit idle before it is replaced."
    )
    exec_ttl_s: Duration = setting(
        0.0,
        "Longest execution of one delivery (one frame of a stream); then the worker is killed.",
        differs="counts from the moment the worker starts the delivery, not from the write",
    )
    max_worker_memory_mib: Int = setting(
        0, "Resident memory at which a worker is replaced after its current delivery.", unit="MiB", ge=0
    )


class PoolConfig(Section):
    """A pool of PHP worker processes."""

    misplaced: ClassVar[Mapping[str, str]] = {
        "max_workers": "pipelines have max_workers; the size of a pool is num_workers, or autoscale.max",
    }

    debug: Flag = setting(False, "A fresh worker for every delivery; code changes show at once. For development.")
    command: Command = setting((), "Worker command of this pool; without it `server.command`.")
    num_workers: Workers = setting(
        0, "Number of workers; 0 means one per core.", unit="processes", validate_default=True
    )
    max_jobs: Int = setting(
        0,
        "Deliveries after which a worker is replaced, raised by up to 14 % at random; 0 is no limit.",
        unit="deliveries",
        ge=0,
    )
    max_queue_size: Int = setting(
        0,
        "Deliveries running or waiting for this pool above which new requests are refused; 0 is no limit.",
        unit="deliveries",
        ge=0,
    )
    allocate_timeout_s: DurationOrDefault = setting(60.0, "Longest start of a worker, and longest wait for a free one.")
    reset_timeout_s: DurationOrDefault = setting(60.0, "How long a reset waits for a busy worker before stopping it.")
    stream_timeout_s: DurationOrDefault = setting(
        60.0, "How long a stream nobody listens to may go on before its worker is killed."
    )
    destroy_timeout_s: DurationOrDefault = setting(
        60.0,
        "How long removing a worker waits for its current delivery.",
        differs="the end of the server is bounded by `endure.grace_period`, as there",
    )
    prefetch: Prefetch | None = setting(
        None,
        "Deliveries written to a worker ahead of its answers: a number, or auto, which measures. "
        "Default: auto for jobs, 1 for requests, in a pool for both too.",
        unit="deliveries",
        differs="RoadRunner has no prefetch",
    )
    supervisor: SupervisorConfig = setting(SupervisorConfig, "Limits on each worker.")
    autoscale: AutoscaleConfig | None = setting(
        None,
        "Let the number of workers follow how long deliveries wait; without it they are `num_workers`.",
        differs="RoadRunner has `dynamic_allocator`",
    )
    dynamic_allocator: DynamicAllocatorConfig | None = setting(
        None, "The same in RoadRunner's keys.", differs="grows before a request has failed, see workers.md"
    )

    reserve: ReserveConfig | None = setting(
        None,
        "Workers kept free for urgent deliveries; only for pools that serve jobs.",
        differs="RoadRunner has nothing like it",
    )

    @model_validator(mode="after")
    def _scales_one_way(self) -> "PoolConfig":
        scale = self.autoscale
        if scale is None:
            return self
        if self.dynamic_allocator is not None:
            raise ValueError("autoscale and dynamic_allocator cannot be set at the same time: remove one of them")
        if scale.min and "num_workers" in self.model_fields_set and scale.min != self.num_workers:
            text = f"num_workers ({self.num_workers}) and autoscale.min ({scale.min}) both name the fewest workers"
            raise ValueError(f"{text}: remove one of them")
        if "num_workers" in self.model_fields_set and self.num_workers > scale.max:
            raise ValueError(f"num_workers ({self.num_workers}) is above autoscale.max ({scale.max})")
        return self

    @property
    def fewest_workers(self) -> int:
        """What the pool starts with."""
        scale = self.autoscale
        return (scale.min or min(self.num_workers, scale.max)) if scale else self.num_workers

    @property
    def most_workers(self) -> int:
        """What it may grow to."""
        return self.limits.max if self.limits else self.num_workers

    @property
    def limits(self) -> Limits | None:
        """Between what the number of workers moves, and how; None when it is fixed."""
        scale, extra = self.autoscale, self.dynamic_allocator
        at_once = STARTS_PER_CORE * cores()
        if self.debug:
            return None
        if scale is not None:
            target_s = scale.target_wait_ms / 1000
            return Limits(self.fewest_workers, scale.max, target_s, scale.spawn_rate, scale.idle_s, at_once)
        if extra is not None:
            most = min(self.num_workers + extra.max_workers, MAX_WORKERS)
            target_s = min(DEFAULT_TARGET_WAIT_MS / 1000, self.allocate_timeout_s / 2)
            return Limits(self.num_workers, most, target_s, extra.spawn_rate, extra.idle_timeout_s, at_once)
        return None


def default_prefetch(mode: str) -> int | Literal["auto"]:
    """The prefetch of a pool that names none, for deliveries of a mode: jobs are measured, requests go one by one."""
    return "auto" if mode == "jobs" else 1


class OnInitConfig(Section):
    """A command that is run to its end before any pool starts."""

    command: Annotated[Command, AfterValidator(_given)] = setting(..., "The command.")
    exec_timeout_s: DurationOrDefault = setting(60.0, "After this it is killed.")
    exit_on_error: Flag = setting(False, "Whether its failure stops the server (exit 1) or is only logged.")
    user: str = setting("", "Name of the user it runs as; needs root.")
    env: Environment = setting(dict, "Its environment variables, beside the server's own.")


class ServerConfig(Section):
    """What all pools have in common."""

    tolerated: ClassVar[Mapping[str, str]] = {
        "relay_timeout": "no effect in RoadRunner since 2024.1; `pool.allocate_timeout` bounds the start of a worker",
        "after_init": "existed in RoadRunner for some months of 2023 only; use `on_init`",
        "group": "never applied by RoadRunner either; `user` sets the user's primary group",
    }

    command: Command = setting((), "Worker command; a text is split at white space, without a shell or quotes.")
    user: str = setting("", "Name of the user workers run as; needs root.")
    env: Environment = setting(
        dict, "Environment variables of the workers; names are upper-cased, `$NAME` in values is expanded."
    )
    relay: Annotated[str | None, PlainValidator(check_relay), WithJsonSchema({"type": "string"})] = setting(
        None,
        "How frames travel: private (inherited descriptors nobody else writes to), pipes (stdin and stdout), "
        "tcp://host:port or unix://path.",
        differs="the default there is pipes",
    )
    on_init: OnInitConfig | None = setting(None, "A command to run before the pools start.")
