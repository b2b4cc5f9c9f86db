"""What memory pipelines keep when the server ends, by their configuration."""

from collections.abc import Iterator

from rrjobs.cli.checks.finding import Finding, State
from rrjobs.config.root import Root
from rrjobs.drivers.memory.config import MemoryConfig


def check_memory(root: Root) -> Iterator[Finding]:
    """One line for each pipeline that a crash of the server would cost its jobs."""
    for name, pipeline in (root.jobs.pipelines if root.jobs else {}).items():
        if not isinstance(pipeline.config, MemoryConfig):
            continue
        subject, journal = f"pipeline {name}", pipeline.config.journal
        if journal == "off":
            text = "memory with `journal: off`: its jobs and dead letters are lost at every end of the server"
            yield Finding(subject, State.WARNING, text)
        elif journal is None:
            text = (
                "memory without a journal: kept through a clean stop, lost by kill -9 or a crash (see `config.journal`)"
            )
            yield Finding(subject, State.HINT, text)
        else:
            yield Finding(subject, State.OK, f"memory with a journal, sync: {journal.sync}")
