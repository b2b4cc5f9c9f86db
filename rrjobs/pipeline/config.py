"""The `jobs` section (spec/jobs-and-rpc.md 3.1)."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, PlainValidator, ValidationInfo, WithJsonSchema, model_validator

from rrjobs.pipeline.limits.config import LimitsConfig
from rrjobs.pipeline.policy import DEFAULT_MAX_CRASHES, MAX_RUNS, Policy
from rrjobs.pipeline.retry_config import DeadLetterConfig, Failing, RetryConfig
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Int, Names, SecondsOrDefault, parse_map
from rrjobs.worker.config import PoolConfig

DEFAULT_PRIORITY = 10


def _driver_config(value: object, info: ValidationInfo) -> Section:
    """The driver's own model: given as such, or validated by the model the loader's context has for the driver."""
    if isinstance(value, Section):
        return value
    model: type[Section] | None = (info.context or {}).get("drivers", {}).get(info.data.get("driver"))
    if model is None:
        raise ValueError("belongs to a driver that is not known")
    return model.model_validate(value, context=info.context)


class RouteConfig(Section):
    """What every pipeline is."""

    fallbacks: ClassVar[Mapping[str, str]] = {"priority": "config.priority"}

    driver: str = setting(..., "Name of the driver: memory.")
    config: Annotated[Section, PlainValidator(_driver_config), WithJsonSchema({"type": "object"})] = setting(
        ..., "The driver's own keys.", differs="a pipeline on memory may leave it out"
    )
    priority: Int = setting(
        DEFAULT_PRIORITY, "Priority of jobs pushed without one; lower is served earlier. Also taken from `config`."
    )
    pool: str | None = setting(None, "Which of `jobs.pools` serves it.")
    retry: RetryConfig | None = setting(None, "Running failed jobs again; none without it, but for crashes.")
    max_crashes: Int = setting(
        DEFAULT_MAX_CRASHES,
        "Workers a job may take down, or without `retry` runs that may fail, before it goes to the dead letters.",
        unit="crashes",
        ge=1,
        le=MAX_RUNS,
    )
    dead_letter: DeadLetterConfig = setting(DeadLetterConfig, "Keeping what failed for good.")

    def failing(self) -> Failing:
        """What becomes of its jobs that fail."""
        return Failing(Policy(self.max_crashes, self.retry.value() if self.retry else None), self.dead_letter.value())

    @model_validator(mode="before")
    @classmethod
    def _priority_from_config(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        config = data.get("config", {})
        if "priority" not in data and isinstance(config, Mapping) and config.get("priority") is not None:
            return {**data, "priority": config["priority"]}
        return data


class PipelineConfig(LimitsConfig, RouteConfig):
    """One named route of jobs, bound to a driver."""


class OptionsConfig(Section):
    """How pipelines are started and stopped."""

    parallelism: Int = setting(
        5, "Pipelines that are started, stopped or destroyed at once; 10 without `options`.", unit="pipelines", ge=1
    )


class JobsConfig(Section):
    """Pipelines of jobs and the workers that execute them."""

    tolerated: ClassVar[Mapping[str, str]] = {
        "num_pollers": "no effect in RoadRunner since 2024.2; each worker takes what it can carry",
    }

    timeout_s: SecondsOrDefault = setting(60.0, "Longest operation of a driver: push, pause, resume, statistics, stop.")
    startup_timeout_s: SecondsOrDefault = setting(
        30.0,
        "How long a start waits for a broker that cannot be reached.",
        differs="RoadRunner ends at once",
    )
    pipeline_size: Int = setting(
        1_000_000, "Jobs the shared priority queue holds before drivers have to wait.", unit="jobs", ge=1
    )
    options: OptionsConfig = setting(lambda: OptionsConfig(parallelism=10), "Starting and stopping.")
    pool: PoolConfig = setting(PoolConfig, "The workers.")
    pools: Annotated[Mapping[str, PoolConfig], BeforeValidator(parse_map)] = setting(
        dict, "Several pools by name, in place of `pool`; a pipeline says which one serves it."
    )
    consume: Names = setting((), "Pipelines that are consumed from the start.")
    pipelines: Annotated[Mapping[str, PipelineConfig], BeforeValidator(parse_map)] = setting(
        dict, "The pipelines by name; names are in lower case."
    )
