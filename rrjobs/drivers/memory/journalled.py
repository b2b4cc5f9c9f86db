"""The store of a pipeline with a journal: every change is an entry that comes or goes."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from rrjobs.drivers.memory.entries import JOB, LETTER, MOVE, decode_job, decode_letter, encode_job, encode_letter
from rrjobs.drivers.memory.journal.config import JournalConfig
from rrjobs.drivers.memory.journal.disk import Disk, OsDisk
from rrjobs.drivers.memory.journal.journal import Journal, open_journal
from rrjobs.drivers.memory.journal.lent import DONE, Lent
from rrjobs.drivers.memory.journal.recovery import Recovered
from rrjobs.drivers.memory.store import Kept
from rrjobs.errors import JournalError
from rrjobs.pipeline.dead_letter import DeadLetter
from rrjobs.pipeline.history import history_of
from rrjobs.pipeline.job import Job
from rrjobs.runtime.events import Events

_BURST = 20_000
"""Entries read in one turn of the event loop."""


class Journalled:
    """See Store. `folder` is the journal's."""

    lasting = True

    def __init__(
        self, pipeline: str, folder: Path, config: JournalConfig, events: Events, disk: Disk | None = None
    ) -> None:
        self._pipeline = pipeline
        self._folder = folder
        self._config = config
        self._events = events
        self._disk = disk or OsDisk()
        self._lent = Lent(self._disk, folder, self._failing)
        self._opened: Journal | None = None
        self._letters: dict[str, int] = {}
        self._moves: dict[int, bytes] = {}
        self._lent_now: list[int] = []
        self._attempts: list[int] = []
        self._done: list[int] = []
        self._soon = False
        self._noting = self._note_down  # one object: a comparison costs nothing
        self._loop: asyncio.AbstractEventLoop

    @property
    def trouble(self) -> str:
        """See Store."""
        return self._opened.state.reason if self._opened is not None else ""

    @property
    def _journal(self) -> Journal:
        assert self._opened is not None, "open comes first"
        return self._opened

    async def open(self) -> Kept:
        """See Store."""
        self._loop = asyncio.get_running_loop()
        self._opened, recovered = await open_journal(self._folder, self._config, self._events, self._disk)
        jobs: list[Job] = []
        letters: list[DeadLetter] = []
        try:
            await self._read(recovered, jobs, letters)
            self._journal.removed = self._lent.ended
            noted = await asyncio.to_thread(self._lent.open)
        except BaseException:
            await self.close(Kept())
            raise
        return self._kept(jobs, letters, noted)

    def _kept(self, jobs: list[Job], letters: list[DeadLetter], noted: Mapping[int, int]) -> Kept:
        """What the notes say of the jobs: done with, lent, or nothing."""
        if not noted:
            return Kept(jobs, letters)
        done = {job.entry for job in jobs if noted.get(job.entry) == DONE}
        self._journal.remove(*done)
        return Kept([job for job in jobs if job.entry not in done], letters, _interrupted(jobs, noted))

    def renew(self, job: Job, copy: Job) -> None:
        """See Store."""
        group = self._journal.group()
        copy.entry = job.entry
        group.replace(job.entry, JOB, encode_job(copy, time.time()))
        self._journal.keep(group)

    async def begin(self) -> None:
        """See Store. On a disk that takes nothing another death of the server would not know of the last one."""
        with suppress(JournalError):
            await self._journal.sync()
        await asyncio.to_thread(self._lent.begin)

    def lent(self, job: Job, attempt: int, before: list[Callable[[], None]] | None) -> None:
        """See Store."""
        self._lent_now.append(job.entry)
        self._attempts.append(attempt)
        if before is None:
            self._note_down()
        elif self._noting not in before:
            before.append(self._noting)

    def returned(self, job: Job) -> None:
        """See Store."""
        if job.entry in self._lent_now:
            at = self._lent_now.index(job.entry)
            del self._lent_now[at], self._attempts[at]
        self._lent.returned(job.entry)

    async def _read(self, recovered: Recovered, jobs: list[Job], letters: list[DeadLetter]) -> None:
        now = time.time()
        for place, (number, kind, payload) in enumerate(recovered):
            try:
                if kind == JOB:
                    job = decode_job(payload, self._pipeline, now)
                    job.entry = number
                    jobs.append(job)
                elif kind == LETTER:
                    letter = decode_letter(payload, self._pipeline)
                    self._letters[letter.key] = number
                    letters.append(letter)
                elif kind == MOVE:
                    self._moves[number] = payload
                else:
                    raise ValueError(f"it is of kind {kind}")
            except (ValueError, TypeError, IndexError) as err:
                reason = f"entry {number} is neither a job nor a dead letter: {err}"
                raise JournalError(f"{self._folder}: {reason}", path=str(self._folder)) from err
            if not place % _BURST:
                await asyncio.sleep(0)

    async def accept(self, jobs: Sequence[Job], then: Callable[[], None]) -> None:
        """See Store."""
        now = time.time()
        group = self._journal.group()
        _number(jobs, group.add_all(JOB, [encode_job(job, now) for job in jobs]))
        await self._journal.submit(group, partial(_accepted, then))

    def done(self, job: Job) -> None:
        """See Store: noted at the end of this turn of the event loop, or before a worker gets more."""
        self._done.append(job.entry)
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._soon = False
        if self._done:
            self._note_down()

    def _note_down(self) -> None:
        """What workers get and what is done: to the kernel, and then to the journal what has ended."""
        lent, done = self._lent_now, self._done
        if lent:
            self._lent.note(lent, self._attempts)
            self._lent_now, self._attempts = [], []
        if done:
            self._done = []
            self._lent.done(done)
        self._lent.write()
        if done:
            self._journal.remove_all(done)

    def again(self, job: Job, copy: Job) -> None:
        """See Store."""
        group = self._journal.group()
        group.remove(job.entry)
        copy.entry = group.add(JOB, encode_job(copy, time.time()))
        self._journal.keep(group)

    def bury(self, job: Job, letter: DeadLetter, pushed_out: Sequence[DeadLetter]) -> None:
        """See Store."""
        group = self._journal.group()
        group.remove(job.entry, *(self._letters.pop(old.key) for old in pushed_out))
        self._letters[letter.key] = group.add(LETTER, encode_letter(letter))
        self._journal.keep(group)

    async def revive(self, letters: Sequence[DeadLetter], jobs: Sequence[Job], then: Callable[[bool], None]) -> None:
        """See Store."""
        now = time.time()
        group = self._journal.group()
        _number(jobs, group.add_all(JOB, [encode_job(job, now) for job in jobs]))
        group.remove(*(self._letters[letter.key] for letter in letters))
        try:
            written = self._journal.submit(group, partial(self._revived, letters, then))
        except JournalError:
            then(False)
            raise
        await written

    def _revived(self, letters: Sequence[DeadLetter], then: Callable[[bool], None], kept: bool) -> None:
        if kept:
            for letter in letters:
                del self._letters[letter.key]
        then(kept)

    def forget(self, letters: Sequence[DeadLetter]) -> None:
        """See Store."""
        if letters:
            self._journal.remove(*(self._letters.pop(letter.key) for letter in letters))

    async def close(self, left: Kept) -> None:
        """See Store: all of it is in the journal."""
        self._note_down()
        await self._lent.close()
        if self._opened is not None:
            await self._opened.close()

    def _failing(self, reason: str) -> None:
        self._events.emit("journal.failing", path=str(self._folder), reason=reason)


def _number(jobs: Sequence[Job], numbers: Sequence[int]) -> None:
    for job, number in zip(jobs, numbers, strict=True):
        job.entry = number


def _accepted(then: Callable[[], None], safe: bool) -> None:
    if safe:
        then()


def _interrupted(jobs: Sequence[Job], noted: Mapping[int, int]) -> set[Job]:
    """What is noted with another attempt came back from an earlier death of the server already."""
    lent = ((job, noted[job.entry]) for job in jobs if job.entry in noted)
    return {job for job, attempt in lent if history_of(job.headers).attempt == attempt}
