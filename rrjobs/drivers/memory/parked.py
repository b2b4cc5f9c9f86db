"""The store of a pipeline without a journal: a clean stop writes down what waits, the next start takes it up.

Between the two nothing is kept: a server that is killed loses what its memory held.
"""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from rrjobs.drivers.memory.entries import JOB, LETTER, encode_job, encode_letter
from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
from rrjobs.drivers.memory.journal.disk import Disk
from rrjobs.drivers.memory.journal.journal import open_journal
from rrjobs.drivers.memory.journal.lock import hold, in_turn
from rrjobs.drivers.memory.journalled import Journalled
from rrjobs.drivers.memory.store import Kept, Volatile
from rrjobs.errors import DriverError, JournalError, JournalInUse
from rrjobs.runtime.events import Events

_CHUNK = 5_000
"""Entries written in one turn of the event loop."""


class Parked(Volatile):
    """See Store. `folder` exists only between a stop that left something and the next start; a lock beside it says
    whose turn it is: a server that takes over waits `predecessor_s` for the other one to park what it has."""

    def __init__(
        self, pipeline: str, folder: Path, events: Events, predecessor_s: float = 0.0, disk: Disk | None = None
    ) -> None:
        self._pipeline = pipeline
        self._folder = folder
        self._events = events
        self._config = JournalConfig(sync=Sync.INTERVAL, reserve_bytes=0)
        self._disk = disk
        self._predecessor_s = predecessor_s
        self._release: Callable[[], None] | None = None

    async def open(self) -> Kept:
        """See Store. What is taken up is on disk no more."""
        await self._take_turn()
        taken = self._folder.with_name(f"{self._folder.name}.taken")
        await asyncio.to_thread(shutil.rmtree, taken, ignore_errors=True)  # of a start that was killed
        if not self._folder.exists():
            return Kept()
        reader = Journalled(self._pipeline, self._folder, self._config, self._events, self._disk)
        kept = await reader.open()
        await reader.close(Kept())
        try:
            self._folder.rename(taken)
        except OSError as err:
            raise DriverError(f"{self._folder}: cannot be removed, its jobs would run twice: {err.strerror}") from err
        await asyncio.to_thread(shutil.rmtree, taken, ignore_errors=True)
        self._events.emit("pipeline.taken_up", pipeline=self._pipeline, jobs=len(kept.jobs), letters=len(kept.letters))
        return kept

    async def _take_turn(self) -> None:
        """Another server may go on all the same: what it parks later is taken up at the start after that."""
        lock = self._folder.with_name(f"{self._folder.name}.lock")
        try:
            self._release = await in_turn(partial(hold, lock), self._predecessor_s)
        except JournalInUse as err:
            if self._predecessor_s:
                self._warn(f"{err}; what it leaves is taken up at the next start")
        except OSError as err:
            self._warn(f"{lock}: {err.strerror}: a stop will lose what waits in pipeline {self._pipeline}")

    def _warn(self, text: str) -> None:
        self._events.emit("server.warning", text=text)

    async def close(self, left: Kept) -> None:
        """See Store."""
        try:
            await self._park(left)
        finally:
            release, self._release = self._release, None
            if release is not None:
                release()

    async def _park(self, left: Kept) -> None:
        if not left.jobs and not left.letters:
            return
        written = [0, 0]
        try:
            await self._write(left, written)
        except (JournalError, OSError) as err:
            jobs, letters = len(left.jobs) - written[0], len(left.letters) - written[1]
            lost = f"{jobs} jobs and {letters} dead letters of pipeline {self._pipeline} are lost"
            raise DriverError(f"{lost}: {err}") from err
        self._events.emit("pipeline.parked", pipeline=self._pipeline, jobs=len(left.jobs), letters=len(left.letters))

    async def _write(self, left: Kept, written: list[int]) -> None:
        """`written` counts the jobs and letters that are safe."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        journal, _ = await open_journal(self._folder, self._config, self._events, self._disk)
        try:
            for at, (kind, entries) in enumerate(((JOB, _jobs(left)), (LETTER, map(encode_letter, left.letters)))):
                while chunk := list(islice(entries, _CHUNK)):
                    await journal.add(kind, chunk)
                    written[at] += len(chunk)
            await journal.sync()
        finally:
            await journal.close()


def _jobs(left: Kept) -> Iterator[bytes]:
    now = time.time()
    return (encode_job(job, now) for job in left.jobs)
