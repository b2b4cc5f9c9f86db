"""Random work on a journal, with restarts, kills and crashes in between, against a model of what it promised."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_doubles import FOLDER, MemoryDisk
from journal_model import Ledger, State

from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
from rrjobs.drivers.memory.journal.journal import open_journal
from rrjobs.drivers.memory.journal.recovery import Recovered
from rrjobs.runtime.events import Events

KIND = st.integers(0, 255)
PAYLOAD = st.binary(max_size=60)
PICK = st.integers(0, 10**6)
STEPS = st.one_of(
    st.tuples(st.just("push"), st.lists(st.tuples(KIND, PAYLOAD), max_size=5)),
    st.tuples(st.just("remove"), PICK),
    st.tuples(st.just("replace"), PICK, KIND, PAYLOAD),
    st.tuples(st.just("swap"), PICK, KIND, PAYLOAD, st.booleans()),
    st.tuples(st.just("drain"), PICK),
    st.just(("sync",)),
    st.just(("turn",)),
    st.just(("restart",)),
    st.just(("kill",)),
    st.tuples(st.just("crash"), PICK),
)


class Machine:
    """One journal after the other on one disk."""

    def __init__(self, sync: Sync) -> None:
        self.config = JournalConfig(sync, 0.001, segment_bytes=500, reserve_bytes=0)
        self.disk = MemoryDisk()

    async def start(self, before: Sequence[State]) -> None:
        """Open what the disk holds; it must be one of these states."""
        self.journal, found = await open_journal(FOLDER, self.config, Events(), self.disk)
        state = as_state(found)
        assert state in before
        assert list(state) == sorted(state)
        self.ledger = Ledger(self.journal, state)
        self.checked()

    def checked(self) -> None:
        state, told = self.ledger.state, self.journal.state
        assert told.entries == len(state)
        assert told.payload_bytes == sum(len(payload) for _, payload in state.values())

    async def step(self, what: str, *facts: object) -> None:
        await getattr(self, what)(*facts)
        self.checked()

    async def push(self, entries: list[tuple[int, bytes]]) -> None:
        assert await self.ledger.submit(self.ledger.group(entries))

    async def remove(self, pick: int) -> None:
        for number in self._picked(pick):
            self.ledger.remove(number)

    async def replace(self, pick: int, kind: int, payload: bytes) -> None:
        for number in self._picked(pick):
            self.ledger.keep(self.ledger.group([], {number: (kind, payload)}))

    async def swap(self, pick: int, kind: int, payload: bytes, awaited: bool) -> None:
        for number in self._picked(pick):
            group = self.ledger.group([(kind, payload)], remove=(number,))
            if awaited:
                assert await self.ledger.submit(group)
            else:
                self.ledger.keep(group)

    async def drain(self, pick: int) -> None:
        self.ledger.remove(*sorted(self.ledger.state)[: pick % 20])

    async def sync(self) -> None:
        assert await self.ledger.sync()

    async def turn(self) -> None:
        await asyncio.sleep(0.002)

    async def restart(self) -> None:
        await self.journal.close()
        await self.start([self.ledger.settled()])

    async def kill(self) -> None:
        left = self.disk.after_kill()
        possible = list(self.ledger.possible())
        await self.journal.close()
        self.disk = left
        await self.start(possible)

    async def crash(self, seed: int) -> None:
        left = self.disk.after_crash(seed)
        ends = self.ledger.possible() if self.config.sync is Sync.ALWAYS else self.ledger.any_end()
        possible = list(ends)
        await self.journal.close()
        self.disk = left
        await self.start(possible)

    def _picked(self, pick: int) -> list[int]:
        live = sorted(self.ledger.state)
        return [live[pick % len(live)]] if live else []


def as_state(found: Recovered) -> State:
    return {number: (kind, payload) for number, kind, payload in found}


@pytest.mark.soak
@settings(max_examples=max(300, settings.default.max_examples))
@given(sync=st.sampled_from(Sync), steps=st.lists(STEPS, max_size=60))
def test_a_journal_holds_what_it_promised_whatever_is_done_to_it(sync, steps):
    async def run() -> None:
        machine = Machine(sync)
        await machine.start([{}])
        for step in steps:
            await machine.step(*step)
        await machine.restart()
        await machine.journal.close()

    asyncio.run(run())


async def test_numbers_are_never_used_again_although_everything_was_removed_and_compacted():
    machine = Machine(Sync.ALWAYS)
    await machine.start([{}])
    highest = 0
    for _ in range(5):
        numbers = await machine.journal.add(1, [b"x" * 50] * 10)
        assert numbers[0] > highest
        highest = numbers[-1]
        machine.journal.remove(*numbers)
        async with asyncio.timeout(5):
            while machine.journal.state.disk_bytes > 300:  # noqa: ASYNC110 - compaction tells nobody
                await asyncio.sleep(0.001)
        machine.ledger = Ledger(machine.journal, {})
        await machine.restart()
    await machine.journal.close()
