"""The dead letters of one pipeline in memory, within its limits.

dead --replay()--> being replayed --store has the job--> gone (the job waits)     dead --drop(), limits--> gone
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from rrjobs.drivers.memory.store import Store
from rrjobs.errors import PushRefused
from rrjobs.pipeline.dead_letter import ALL, DeadLetter, LetterCounts, Limits, Wanted
from rrjobs.pipeline.job import Job

REMEMBERED = 20_000
"""Keys and ids of letters that are gone: who asks for one is told what became of it."""


class MemoryLetters:
    """See DeadLetters. `accept` takes jobs into the queue and returns nothing; it is called when the store has them."""

    def __init__(
        self, store: Store, accept: Callable[[Sequence[Job]], None], now: Callable[[], float] = time.time
    ) -> None:
        self.limits = Limits()
        self.closed = ""
        """Why no letter can be replayed any more."""
        self._store = store
        self._accept = accept
        self._now = now
        self._held: dict[str, DeadLetter] = {}
        self._bytes = 0
        self._lost = 0
        self._reviving: set[str] = set()
        self._gone: dict[str, str] = {}

    def take_up(self, letters: Sequence[DeadLetter]) -> None:
        """Letters that a store held, oldest first."""
        for letter in letters:
            self._held[letter.key] = letter
            self._bytes += letter.size_bytes

    @property
    def held(self) -> list[DeadLetter]:
        """All of them, oldest first."""
        return list(self._held.values())

    async def counts(self) -> LetterCounts:
        """See DeadLetters."""
        self._forget_old()
        return LetterCounts(len(self._held), self._bytes, self._lost)

    async def letters(self, wanted: Wanted = ALL, limit: int = 1000) -> list[DeadLetter]:
        """See DeadLetters."""
        self._forget_old()
        now = self._now()
        return list(islice((one for one in self._held.values() if wanted.has(one, now)), limit))

    def bury(self, job: Job, letter: DeadLetter) -> None:
        """The one place where a job becomes a letter."""
        pushed_out = self._pushed_out_by(letter)
        self._store.bury(job, letter, pushed_out)
        self._lose(pushed_out)
        self._held[letter.key] = letter
        self._bytes += letter.size_bytes

    async def replay(self, keys: Sequence[str]) -> list[str]:
        """See DeadLetters."""
        self._forget_old()
        asked = dict.fromkeys(keys)
        letters = [self._held[key] for key in asked if key in self._held and key not in self._reviving]
        answers = {key: self._why_not(key) for key in asked}
        if letters:
            await self._revive(letters)
        return [answers[key] for key in keys]

    async def drop(self, keys: Sequence[str]) -> list[str]:
        """See DeadLetters."""
        self._forget_old()
        answers = {key: self._why_not(key) for key in keys}
        letters = [self._held[key] for key, why in answers.items() if not why]
        self._store.forget(letters)
        self._remove(letters, "was dropped already")
        return [answers[key] for key in keys]

    async def _revive(self, letters: Sequence[DeadLetter]) -> None:
        """The one place where letters become jobs: accepted first, then gone."""
        if self.closed:
            raise PushRefused(self.closed)
        jobs = [letter.job() for letter in letters]
        for job in jobs:
            job.pushed_at = self._now()
        keys = {letter.key for letter in letters}
        self._reviving |= keys

        def revived(kept: bool) -> None:
            self._reviving.difference_update(keys)
            if kept:
                self._remove(letters, "was replayed already")
                self._accept(jobs)

        await self._store.revive(letters, jobs, revived)

    def _why_not(self, key: str) -> str:
        if key in self._reviving:
            return f"letter {key} is being replayed"
        if key in self._held:
            return ""
        return f"letter {key} {self._gone[key]}" if key in self._gone else f"there is no letter {key}"

    def _pushed_out_by(self, letter: DeadLetter) -> list[DeadLetter]:
        """The oldest, until there is room; one that is too big for all limits still stands alone."""
        limits = self.limits
        count, size = len(self._held) + 1 - limits.max_letters, self._bytes + letter.size_bytes - limits.max_bytes
        leaving: list[DeadLetter] = []
        for old in self._unmoved():
            if len(leaving) >= count and size <= 0:
                break
            leaving.append(old)
            size -= old.size_bytes
        return leaving

    def _forget_old(self) -> None:
        if not self.limits.max_age_s:
            return
        latest = self._now() - self.limits.max_age_s
        old: list[DeadLetter] = []
        for letter in self._unmoved():
            if letter.died_at >= latest:
                break
            old.append(letter)
        if old:
            self._store.forget(old)
            self._lose(old)

    def _unmoved(self) -> Iterator[DeadLetter]:
        return (letter for key, letter in self._held.items() if key not in self._reviving)

    def _lose(self, letters: Sequence[DeadLetter]) -> None:
        self._lost += len(letters)
        self._remove(letters, "made room for newer ones, or was too old")

    def _remove(self, letters: Sequence[DeadLetter], fate: str) -> None:
        for letter in letters:
            del self._held[letter.key]
            self._bytes -= letter.size_bytes
            self._gone[letter.key] = self._gone[letter.id] = fate
        while len(self._gone) > REMEMBERED:
            del self._gone[next(iter(self._gone))]
