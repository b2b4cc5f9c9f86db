"""The keys of a pipeline that limit it, in the file, in declarations and in changes at run time."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

from pydantic import ValidationError, model_validator

from rrjobs.errors import DriverError
from rrjobs.pipeline.limits.limits import Limits, LimitsError, Rate
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.section_errors import told
from rrjobs.runtime.values import Int, Seconds


class RateConfig(Section):
    """How many jobs may begin in a time."""

    limit: Int = setting(..., "Jobs that may begin in any `per_s` seconds.", unit="jobs")
    per_s: Seconds = setting(1.0, "The time; a number of seconds or a duration, up to a day.", alias="per_s")
    key: str = setting("", "Header by whose values jobs are counted apart; without it all are counted together.")

    def value(self) -> Rate:
        """As the pipeline uses it; raises LimitsError."""
        return Rate(self.limit, self.per_s, self.key)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        _possible(self.value)
        return self


class LimitsConfig(Section):
    """Who may run: what a pipeline may take, and what is kept for it."""

    reserve: Int = setting(
        0, "Workers of its pool that no other pipeline gets.", unit="processes", differs="RoadRunner has no such keys"
    )
    max_workers: Int = setting(0, "Most workers that run its jobs at once; 0 is no limit.", unit="processes")
    aging_s: Seconds = setting(
        0.0,
        "Waiting so long lifts a job by one priority, again and again, so that none waits for ever; 0: waiting "
        "changes nothing. A number of seconds or a duration.",
        alias="aging_s",
    )
    concurrency_key: str = setting("", "Header by whose values `concurrency` counts.")
    concurrency: Int = setting(
        0, "Most jobs that run at once for one value of `concurrency_key`; 0 is no limit.", unit="jobs"
    )
    rate: RateConfig | None = setting(None, "How many jobs may begin in a time; without it any number.")
    ordering: Literal["none", "key"] = setting(
        "none",
        "`key`: jobs with one value of the header `ordering_key` run one after another, in the order in which they "
        "came.",
    )
    ordering_key: str = setting("", "Header by which `ordering: key` goes; jobs without it are in no order.")

    def limits(self) -> Limits:
        """As the pipeline uses them; raises LimitsError."""
        if self.ordering == "key" and not self.ordering_key:
            raise LimitsError("ordering: key needs an ordering_key, the header that names what belongs together")
        if self.ordering_key and self.ordering != "key":
            raise LimitsError("ordering_key needs `ordering: key`")
        return Limits(
            self.reserve,
            self.max_workers,
            self.aging_s,
            self.concurrency,
            self.concurrency_key,
            self.rate.value() if self.rate else None,
            self.ordering_key,
        )

    @model_validator(mode="after")
    def _are_possible(self) -> Self:
        _possible(self.limits)
        return self


KEYS: tuple[str, ...] = (
    "reserve",
    "max_workers",
    "aging_s",
    "concurrency_key",
    "concurrency",
    "rate",
    "ordering",
    "ordering_key",
)


MISPLACED: Mapping[str, str] = {
    "reserve": "a pool keeps workers free for requests: write any.pool.reserve",
    "max_workers": "requests take what the pool has; pipelines are limited, and so is pool.max_queue_size",
    "aging_s": "requests are served in order of arrival; pipelines have aging_s",
    "concurrency": "pipelines limit what runs at once; for requests there is pool.max_queue_size",
    "concurrency_key": "pipelines limit what runs at once; for requests there is pool.max_queue_size",
    "rate": "pipelines have a rate; requests are limited in a proxy",
    "ordering": "requests have no order among them; pipelines have",
    "ordering_key": "requests have no order among them; pipelines have",
}
"""What is said where somebody writes these keys for requests."""


def declared_limits(spec: Mapping[str, str]) -> Limits:
    """From the texts of a declaration, where `rate` is JSON; raises DriverError."""
    try:
        given: dict[str, Any] = {key: spec[key] for key in KEYS if spec.get(key)}
        if "rate" in given:
            given["rate"] = RateConfig.model_validate_json(given["rate"])
        return parsed_limits(given)
    except (LimitsError, ValidationError) as err:
        raise DriverError(f"the pipeline cannot be declared: {_first(err, 'rate')}") from err


def changed_limits(limits: Limits, changes: Mapping[str, object]) -> Limits:
    """With other values for some keys, where null takes a limit away; raises LimitsError."""
    unknown = [key for key in changes if key not in KEYS]
    if unknown:
        raise LimitsError(f"{unknown[0]} is no limit of a pipeline: there are {', '.join(KEYS)}")
    return parsed_limits({**limits.told(), **changes})


def parsed_limits(values: Mapping[str, object]) -> Limits:
    """From values by key, null for none; raises LimitsError."""
    try:
        return LimitsConfig.model_validate({key: value for key, value in values.items() if value is not None}).limits()
    except ValidationError as err:
        raise LimitsError(_first(err)) from err


def _first(err: LimitsError | ValidationError, above: str = "") -> str:
    if isinstance(err, LimitsError):
        return str(err)
    first = err.errors()[0]
    text = _PLAIN.get(first["type"]) or told(first)
    where = ".".join((*((above,) if above else ()), *map(str, first["loc"])))
    if not where or text.partition(" ")[0].partition(".")[0] in KEYS:
        return text
    return f"{where}: {text}"


_PLAIN: Mapping[str, str] = {
    "extra_forbidden": "there is no such key",
    "missing": "is required",
    "model_type": "must be an object with the keys limit, per_s and key",
    "string_type": "must be a text",
    "json_invalid": "is no JSON",
}
"""What pydantic says in its own words, by its name of the error."""


def _possible(made: Callable[[], object]) -> None:
    try:
        made()
    except LimitsError as err:
        raise ValueError(str(err)) from err
