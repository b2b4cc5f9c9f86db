"""The `metrics` section (spec/jobs-and-rpc.md 7.1)."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from rrjobs.runtime.address import checked_address
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Names, parse_map

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def _objectives(value: object) -> object:
    """A map or a list of maps; the dot of a quantile has made levels of it, as of every key with one."""
    entries = parse_map(value)
    if not isinstance(entries, Mapping):
        return entries
    joined: dict[object, object] = {}
    for key, held in entries.items():
        inner = held.items() if isinstance(held, Mapping) else None
        joined |= {key: held} if inner is None else {f"{key}.{rest}": error for rest, error in inner}
    return joined


class CollectorConfig(Section):
    """A metric of the application, set over RPC by its short name."""

    type: Literal["histogram", "gauge", "counter", "summary"] = setting(..., "What kind of metric it is.")
    namespace: str = setting("", "First part of the exposed name.")
    subsystem: str = setting("", "Second part of the exposed name.")
    help: str = setting("", "Its description.")
    labels: Names = setting((), "Names of its labels.")
    buckets: Annotated[tuple[float, ...], AfterValidator(lambda buckets: buckets or DEFAULT_BUCKETS)] = setting(
        DEFAULT_BUCKETS, "Upper bounds of a histogram's buckets."
    )
    objectives: Annotated[Mapping[float, float], BeforeValidator(_objectives)] = setting(
        dict, "Quantiles of a summary and their allowed errors."
    )


class MetricsConfig(Section):
    """Prometheus metrics over HTTP."""

    address: Annotated[str, AfterValidator(checked_address)] = setting(
        "127.0.0.1:2112", "Where to listen: host:port, :port, [::1]:port or unix://path.", min_length=1
    )
    collect: Annotated[Mapping[str, CollectorConfig], BeforeValidator(parse_map)] = setting(
        dict, "Metrics of the application by name."
    )
