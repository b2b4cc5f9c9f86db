"""The `config` of a pipeline on the memory driver (spec/jobs-and-rpc.md 4.1)."""

from collections.abc import Mapping
from typing import ClassVar

from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Int


class MemoryConfig(Section):
    """A queue in this process's memory; what it holds is lost when the process ends."""

    not_yet: ClassVar[Mapping[str, str]] = {"journal": "jobs in memory do not survive the process"}

    priority: Int | None = setting(None, "Priority of jobs pushed without one, when the pipeline names none.")
    prefetch: Int = setting(
        100_000,
        "Jobs of this pipeline that are in the shared queue or in a worker at once; the rest waits in the driver.",
        unit="jobs",
        ge=1,
        differs="nothing else is limited by it; there it also bounds pushes to a paused pipeline",
    )
