"""The store of a pipeline without a journal: a clean stop writes down what waits, the next start takes it up.

Between the two nothing is kept: a server that is killed loses what its memory held.
"""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from rrjobs.drivers.memory.entries import JOB, LETTER, encode_job, encode_letter
from rrjobs.drivers.memory.journal.disk import Disk
from rrjobs.drivers.memory.journal.journal import open_journal
from rrjobs.drivers.memory.parked_folder import CONFIG, ParkedFolder
from rrjobs.drivers.memory.store import Kept, Volatile
from rrjobs.drivers.memory.unread import tell_of_unread
from rrjobs.errors import DriverError, JournalError, JournalInUse
from rrjobs.runtime.events import Events

_CHUNK = 5_000
"""Entries written in one turn of the event loop."""


class Parked(Volatile):
    """See Store, and ParkedFolder for `folder` and `predecessor_s`. `unread` is where a journal would be."""

    def __init__(
        self,
        pipeline: str,
        folder: Path,
        events: Events,
        predecessor_s: float = 0.0,
        disk: Disk | None = None,
        unread: Path | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._folder = ParkedFolder(pipeline, folder, events, predecessor_s, disk)
        self._events = events
        self._predecessor_s = predecessor_s
        self._unread = unread
        self._release: Callable[[], None] | None = None

    async def open(self) -> Kept:
        """See Store. What is taken up is on disk no more."""
        if self._unread is not None:
            await tell_of_unread(self._pipeline, self._unread, self._events)
        await self._take_turn()
        kept = await self._folder.read()
        if kept is None:
            return Kept()
        await self._folder.remove()
        self._folder.tell_taken_up(kept)
        return kept

    async def _take_turn(self) -> None:
        """Another server may go on all the same: what it parks later is taken up at the start after that."""
        try:
            self._release = await self._folder.take_turn()
        except JournalInUse as err:
            if self._predecessor_s:
                self._warn(f"{err}; what it leaves is taken up at the next start")
        except OSError as err:
            lost = f"a stop will lose what waits in pipeline {self._pipeline}"
            self._warn(f"{self._folder.path}.lock: {err.strerror}: {lost}")

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
        folder = self._folder
        folder.path.parent.mkdir(parents=True, exist_ok=True)
        journal, _ = await open_journal(folder.path, CONFIG, self._events, folder.disk)
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
