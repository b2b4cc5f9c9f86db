"""The store of a pipeline that has a journal now, and had none: what was parked without one moves into the journal.

    nothing --mark: moving--> copies come behind the mark --mark: moved, with the last copies--> folder goes, mark goes

A crash at any point loses nothing and doubles nothing: copies behind a mark that is not `moved` are dropped, and come
again; a folder whose mark is `moved` is removed unread.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from rrjobs.drivers.memory.entries import JOB, LETTER, MOVE, encode_job, encode_letter
from rrjobs.drivers.memory.journal.config import JournalConfig
from rrjobs.drivers.memory.journal.disk import Disk
from rrjobs.drivers.memory.journalled import Journalled
from rrjobs.drivers.memory.parked_folder import ParkedFolder
from rrjobs.drivers.memory.store import Kept
from rrjobs.errors import DriverError, JournalInUse
from rrjobs.pipeline.dead_letter import DeadLetter
from rrjobs.pipeline.job import Job
from rrjobs.runtime.events import Events

_MOVING, _MOVED = b"moving ", b"moved "
_CHUNK = 5_000
"""Entries in one group."""


class Inherited(Journalled):
    """See Store. `parked` is where stops without a journal have left what waits."""

    def __init__(
        self,
        pipeline: str,
        folder: Path,
        config: JournalConfig,
        events: Events,
        parked: ParkedFolder,
        disk: Disk | None = None,
    ) -> None:
        super().__init__(pipeline, folder, config, events, disk)
        self._parked = parked

    async def open(self) -> Kept:
        """See Store."""
        kept = await super().open()
        try:
            return await self._take_up(kept)
        except BaseException:
            await self.close(Kept())
            raise

    async def _take_up(self, kept: Kept) -> Kept:
        kept = self._without_halves(kept)
        if not self._parked.in_use:
            self._forget_marks()
            return kept
        try:
            release = await self._parked.take_turn()
        except JournalInUse as err:
            self._events.emit("server.warning", text=f"{err}; what it leaves is taken up at the next start")
            return kept
        except OSError as err:
            raise DriverError(f"{self._parked.path}: cannot be taken up into the journal: {err.strerror}") from err
        try:
            return await self._move(kept)
        finally:
            release()

    def _without_halves(self, kept: Kept) -> Kept:
        """Copies of a move that was cut off are no jobs yet; nothing else is behind its mark."""
        halves = [number for number, mark in self._moves.items() if mark.startswith(_MOVING)]
        if not halves:
            return kept
        first = min(halves)
        jobs = [job for job in kept.jobs if job.entry < first]
        letters = [letter for letter in kept.letters if self._letters[letter.key] < first]
        copies = [job.entry for job in kept.jobs if job.entry > first]
        copies += [number for number in self._letters.values() if number > first]
        self._letters = {key: number for key, number in self._letters.items() if number < first}
        self._journal.remove(*halves, *copies)
        for number in halves:
            del self._moves[number]
        return Kept(jobs, letters, kept.interrupted)

    async def _move(self, kept: Kept) -> Kept:
        if self._parked.path.exists() and _MOVED + self._parked.identity() not in self._moves.values():
            parked = await self._parked.read()
            assert parked is not None, "we have the lock"
            await self._copy(parked)
            kept = Kept([*kept.jobs, *parked.jobs], [*kept.letters, *parked.letters], kept.interrupted)
            self._parked.tell_taken_up(parked)
        if self._parked.path.exists():
            await self._parked.remove()
        self._forget_marks()
        return kept

    def _forget_marks(self) -> None:
        if self._moves:
            self._journal.remove(*self._moves)
            self._moves.clear()

    async def _copy(self, parked: Kept) -> None:
        """All of it is on disk when the mark is."""
        identity = self._parked.identity()
        (mark,) = await self._journal.add(MOVE, [_MOVING + identity])
        entries: Iterator[Job | DeadLetter] = chain(parked.jobs, parked.letters)
        now = time.time()
        while chunk := list(islice(entries, _CHUNK)):
            await self._add(chunk, now)
        group = self._journal.group()
        group.replace(mark, MOVE, _MOVED + identity)
        await self._journal.submit(group)
        await self._journal.sync()
        self._moves[mark] = _MOVED + identity

    async def _add(self, chunk: Sequence[Job | DeadLetter], now: float) -> None:
        group = self._journal.group()
        for one in chunk:
            if isinstance(one, Job):
                one.entry = group.add(JOB, encode_job(one, now))
            else:
                self._letters[one.key] = group.add(LETTER, encode_letter(one))
        await self._journal.submit(group)
