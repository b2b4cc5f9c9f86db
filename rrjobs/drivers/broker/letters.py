"""The dead letters of a pipeline on a broker: kept there, read there, by any server that has the pipeline."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from rrjobs.errors import DriverError
from rrjobs.pipeline.dead_letter import ALL, DeadLetter, LetterCounts, Limits, Wanted
from rrjobs.pipeline.job import Job

REMEMBERED = 20_000
"""Keys of letters that are gone: who asks for one is told what became of it."""

LOOK_EVERY = 50
"""Letters written between two looks at the limits."""


class HeldLetter(NamedTuple):
    """A letter in the store, and how it is taken out for good."""

    letter: DeadLetter
    remove: Callable[[], Awaitable[None]]


class LetterStore(Protocol):
    """Where a broker keeps letters: a queue, stream, topic or tube of their own. Calls raise DriverError."""

    async def put(self, letter: DeadLetter) -> None:
        """The broker has confirmed it."""
        ...

    def browse(self) -> AbstractAsyncContextManager[AsyncIterator[HeldLetter]]:
        """All letters, oldest first as far as the broker can. Leaving it lets go of those that were not removed.

        Only one at a time; letters that are put meanwhile may or may not be seen.
        """
        ...

    async def size(self) -> tuple[int, int]:
        """Letters, and bytes (0 where the broker does not tell)."""
        ...


class BrokerLetters:
    """See DeadLetters. `store` gives the store of the live connection, `publish` pushes; both raise DriverError."""

    def __init__(
        self,
        store: Callable[[], Awaitable[LetterStore]],
        publish: Callable[[Sequence[Job]], Awaitable[None]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self.limits = Limits()
        self._store = store
        self._publish = publish
        self._now = now
        self._browsing = asyncio.Lock()
        self._gone: OrderedDict[str, str] = OrderedDict()
        self._written = 0
        self._lost = 0

    async def bury(self, store: LetterStore, letter: DeadLetter) -> None:
        """Keep a letter. Raises DriverError when it is not kept."""
        await store.put(letter)
        self._written += 1
        if self._written % LOOK_EVERY == 1:
            with contextlib.suppress(DriverError):  # the next look finds no less
                await self._trim(store)

    async def counts(self) -> LetterCounts:
        """See DeadLetters. `held_bytes` is 0 where the broker does not tell."""
        store = await self._store()
        held, held_bytes = await store.size()
        return LetterCounts(held, held_bytes, self._lost)

    async def letters(self, wanted: Wanted = ALL, limit: int = 1000) -> list[DeadLetter]:
        """See DeadLetters. Walks the whole store until enough were found."""
        found: list[DeadLetter] = []
        store = await self._store()
        async with self._browsing, store.browse() as held:
            now = self._now()
            async for one in held:
                if await self._too_old(one):
                    continue
                if wanted.has(one.letter, now):
                    found.append(one.letter)
                if len(found) >= limit:
                    break
        return found

    async def replay(self, keys: Sequence[str]) -> list[str]:
        """See DeadLetters. The server dying between the two steps leaves a letter whose job was pushed."""

        async def revive(letter: DeadLetter) -> None:
            job = letter.job()
            job.pushed_at = self._now()
            await self._publish((job,))

        return await self._remove(keys, revive, "was replayed already")

    async def drop(self, keys: Sequence[str]) -> list[str]:
        """See DeadLetters."""

        async def nothing(letter: DeadLetter) -> None:
            return

        return await self._remove(keys, nothing, "was dropped already")

    async def _remove(
        self, keys: Sequence[str], first: Callable[[DeadLetter], Awaitable[None]], fate: str
    ) -> list[str]:
        answers = {key: f"letter {key} {self._gone[key]}" if key in self._gone else "" for key in keys}
        wanted = {key for key, why in answers.items() if not why}
        store = await self._store()
        async with self._browsing, store.browse() as held:
            if wanted:
                async for one in held:
                    if one.letter.key in wanted:
                        await first(one.letter)
                        await one.remove()
                        wanted.discard(one.letter.key)
                        self._forget(one.letter.key, fate)
                    if not wanted:
                        break
        answers.update({key: f"there is no letter {key}" for key in wanted})
        return [answers[key] for key in keys]

    async def _trim(self, store: LetterStore) -> None:
        """Take out the oldest until the limits hold."""
        count, size = await store.size()
        limits = self.limits
        if count <= limits.max_letters and size <= limits.max_bytes:
            return
        async with self._browsing, store.browse() as held:
            async for one in held:
                if count <= limits.max_letters and size <= limits.max_bytes:
                    return
                await self._lose(one)
                count, size = count - 1, max(0, size - one.letter.size_bytes)

    async def _too_old(self, held: HeldLetter) -> bool:
        max_age_s, died_at = self.limits.max_age_s, held.letter.died_at
        if not max_age_s or not died_at or died_at >= self._now() - max_age_s:
            return False
        await self._lose(held)
        return True

    async def _lose(self, held: HeldLetter) -> None:
        await held.remove()
        self._lost += 1
        self._forget(held.letter.key, "made room for newer ones, or was too old")

    def _forget(self, key: str, fate: str) -> None:
        self._gone[key] = fate
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)
