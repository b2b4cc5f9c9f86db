"""The store of a pipeline without a journal: a clean stop writes down what waits, the next start takes it up.

Between the two nothing is kept: a server that is killed loses what its memory held.
"""

import asyncio
import shutil
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from rrjobs.drivers.memory.entries import JOB, LETTER, encode_job, encode_letter
from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
from rrjobs.drivers.memory.journal.journal import open_journal
from rrjobs.drivers.memory.journalled import Journalled
from rrjobs.drivers.memory.store import Kept, Volatile
from rrjobs.errors import DriverError, JournalError
from rrjobs.runtime.events import Events

_CHUNK = 5_000
"""Entries written in one turn of the event loop."""


class Parked(Volatile):
    """See Store. `folder` exists only between a stop that left something and the next start."""

    def __init__(self, pipeline: str, folder: Path, events: Events) -> None:
        self._pipeline = pipeline
        self._folder = folder
        self._events = events
        self._config = JournalConfig(sync=Sync.INTERVAL)

    async def open(self) -> Kept:
        """See Store. What is taken up is on disk no more."""
        if not self._folder.exists():
            return Kept()
        reader = Journalled(self._pipeline, self._folder, self._config, self._events)
        kept = await reader.open()
        await reader.close(Kept())
        try:
            await asyncio.to_thread(shutil.rmtree, self._folder)
        except OSError as err:
            raise DriverError(f"{self._folder}: cannot be removed, its jobs would run twice: {err.strerror}") from err
        self._events.emit("pipeline.taken_up", pipeline=self._pipeline, jobs=len(kept.jobs), letters=len(kept.letters))
        return kept

    async def close(self, left: Kept) -> None:
        """See Store."""
        if not left.jobs and not left.letters:
            return
        try:
            await self._write(left)
        except (JournalError, OSError) as err:
            lost = f"{len(left.jobs)} jobs and {len(left.letters)} dead letters of pipeline {self._pipeline} are lost"
            raise DriverError(f"{lost}: {err}") from err
        self._events.emit("pipeline.parked", pipeline=self._pipeline, jobs=len(left.jobs), letters=len(left.letters))

    async def _write(self, left: Kept) -> None:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        journal, _ = await open_journal(self._folder, self._config, self._events)
        try:
            for kind, entries in ((JOB, _jobs(left)), (LETTER, map(encode_letter, left.letters))):
                while chunk := list(islice(entries, _CHUNK)):
                    await journal.add(kind, chunk)
            await journal.sync()
        finally:
            await journal.close()


def _jobs(left: Kept) -> Iterator[bytes]:
    now = time.time()
    return (encode_job(job, now) for job in left.jobs)
