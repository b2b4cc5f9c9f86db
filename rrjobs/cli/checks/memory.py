"""What memory pipelines keep when the server ends, by their configuration, and whether there is a place for it."""

import os
from collections.abc import Iterator
from pathlib import Path

from rrjobs.cli.checks.finding import Finding, State
from rrjobs.config.root import Root
from rrjobs.drivers.memory.config import JournalSection, MemoryConfig
from rrjobs.drivers.memory.journal.lock import check_folder
from rrjobs.drivers.memory.stores import journal_folder
from rrjobs.errors import JournalError


def check_memory(root: Root, base: Path) -> Iterator[Finding]:
    """One line for each pipeline in memory; `base` is the folder of the configuration."""
    state_dir = base / root.state_dir
    for name, pipeline in (root.jobs.pipelines if root.jobs else {}).items():
        if not isinstance(pipeline.config, MemoryConfig):
            continue
        subject, journal = f"pipeline {name}", pipeline.config.journal
        if journal == "off":
            text = "memory with `journal: off`: its jobs and dead letters are lost at every end of the server"
            yield Finding(subject, State.WARNING, text)
        elif journal is None:
            yield _volatile(subject, state_dir)
        else:
            yield _journalled(subject, journal_folder(name, journal, state_dir), journal)


def _volatile(subject: str, state_dir: Path) -> Finding:
    text = "memory without a journal: kept through a clean stop, lost by kill -9 or a crash (see `config.journal`)"
    if blocked := _unwritable(state_dir):
        text = f"memory without a journal: lost at every end of the server, for {blocked}"
    return Finding(subject, State.WARNING if blocked else State.HINT, text)


def _journalled(subject: str, folder: Path, journal: JournalSection) -> Finding:
    """The server looks again at its start, and into the files."""
    try:
        check_folder(folder, missing_is_fine=True)
    except JournalError as err:
        return Finding(subject, State.ERROR, str(err))
    if blocked := _unwritable(folder):
        return Finding(subject, State.ERROR, f"no journal can be kept in {folder}: {blocked}")
    lost = f", a crash of the machine loses the last {journal.interval_ms} ms" if journal.sync == "interval" else ""
    return Finding(subject, State.OK, f"memory with a journal, sync: {journal.sync}{lost}")


def _unwritable(folder: Path) -> str:
    """Why this folder cannot be made or written; "" when it can."""
    kept = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return "" if kept.is_dir() and os.access(kept, os.W_OK | os.X_OK) else f"{kept} cannot be written"
