"""The `config` of a pipeline on the memory driver (spec/jobs-and-rpc.md 4.1)."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Int, Kind


class JournalSection(Section):
    """A log on disk of all that the pipeline holds."""

    path: str = setting(
        "",
        "Folder of the journal, relative to the working directory; by default one in `state_dir`.",
    )
    sync: Literal["always", "interval"] = setting(
        "always",
        "What a push waits for: `always` until it is on disk; `interval` until the operating system has it, so that a "
        "crash of the machine (not of the server) loses what the last `interval_ms` brought.",
    )
    interval_ms: Int = setting(
        100, "With `sync: interval`: how often the journal is brought to disk.", unit="milliseconds", ge=1, le=60_000
    )


def _off(value: Any) -> Any:
    return "off" if value is False or (isinstance(value, str) and value.strip().lower() in ("off", "false")) else value


Journal = Annotated[
    JournalSection | Literal["off"] | None,
    Kind("section or `off`"),
    BeforeValidator(_off),
]


class MemoryConfig(Section):
    """A queue in this process's memory, with or without a journal on disk."""

    priority: Int | None = setting(None, "Priority of jobs pushed without one, when the pipeline names none.")
    prefetch: Int = setting(
        100_000,
        "Jobs of this pipeline that are in the shared queue or in a worker at once; the rest waits in the driver.",
        unit="jobs",
        ge=1,
        differs="nothing else is limited by it; there it also bounds pushes to a paused pipeline",
    )
    journal: Journal = setting(
        None,
        "A journal keeps jobs and dead letters through kill -9 and crashes of the machine. Without one a clean stop "
        "writes what waits to `state_dir`, and the next start takes it up; `off` keeps nothing at all.",
        differs="RoadRunner loses what memory holds at every stop",
    )
    max_jobs: Int = setting(
        0, "Jobs waiting and running above which pushes are refused; 0 is no limit.", unit="jobs", ge=0
    )
    max_bytes: Int = setting(
        0, "Bytes of payload waiting and running above which pushes are refused; 0 is no limit.", unit="bytes", ge=0
    )
