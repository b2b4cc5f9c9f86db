"""The journal and the driver over it while threads are late by chance, the disk fails now and then, and crashes.

A crash point test finds each call in its usual turn. Here the writer's thread, the compaction and the syncs of notes
are held up before and after any call, so that what the event loop does meanwhile falls into other moments.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from journal_doubles import FOLDER, MemoryDisk
from journal_model import Down, Ledger
from test_journal_crashes import compacted, healthy, recovered
from test_wiring_crashes import found, wrong
from test_wiring_crashes import run as run_driver

from rrjobs.drivers.memory.journal import backlog, committer, journal, note_file
from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
from rrjobs.drivers.memory.journal.hand import Hand
from rrjobs.drivers.memory.journal.journal import open_journal
from rrjobs.errors import JournalError
from rrjobs.runtime.events import Events

SEEDS = int(os.environ.get("SOAK_JITTER", "60"))
FIRST = int(os.environ.get("SOAK_JITTER_FROM", "0"))
"""A seed that failed is tried again with SOAK_JITTER=1."""
SMALL = {"segment_bytes": 400, "reserve_bytes": 0}
JOB, LETTER = 1, 2
LONGEST_S = 0.0006
pytestmark = pytest.mark.soak


def late(dice: random.Random) -> Callable[[], None]:
    """Mostly at once, sometimes later by a turn of the event loop or by many."""

    def pause() -> None:
        luck = dice.random()
        if luck < 0.4:
            time.sleep(0 if luck < 0.2 else (luck - 0.2) * 5 * LONGEST_S)

    return pause


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that timers come between the calls too."""
    monkeypatch.setattr(backlog, "BATCH_BYTES", 60)
    monkeypatch.setattr(committer, "LINGER_S", 0.0003)
    monkeypatch.setattr(committer, "LAZY_S", 0.0008)
    monkeypatch.setattr(committer, "RETRY_S", 0.001)
    monkeypatch.setattr(note_file, "SYNC_S", 0.0005)


def hold_up_the_hand(monkeypatch: pytest.MonkeyPatch, pause: Callable[[], None]) -> None:
    class LateHand(Hand):
        def _run(self) -> None:
            while (work := self._work.get()) is not None:
                pause()
                work()
                pause()

    monkeypatch.setattr(journal, "Hand", LateHand)


def trouble(dice: random.Random, last: int, failures: int, crashes: bool) -> Callable[[int, str], str]:
    """So many failures, and a crash or none."""
    faults = {dice.randint(4, last): dice.choice(("EIO", "ENOSPC", "half ENOSPC")) for _ in range(failures)}
    if crashes:
        faults[dice.randint(5, last)] = dice.choice(("crash", "crash within", "crash after"))
    return lambda number, _: faults.get(number, "")


class Work:
    """Pushers, and one who ends, changes and retries what they have pushed, each at its own pace."""

    def __init__(self, ledger: Ledger, dice: random.Random) -> None:
        self.ledger = ledger
        self.dice = dice
        self.mine: set[int] = set()

    async def done(self) -> None:
        """All of it, or the machine went down."""
        parts = (self._push(), self._push(), self._push(), self._settle(), self._sync())
        ends = await asyncio.gather(*parts, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, Down):
                raise end
        if Down in map(type, ends):
            raise Down

    async def _push(self) -> None:
        for _ in range(8):
            group = self.ledger.group([(JOB, self._payload())] * self.dice.randint(1, 4))
            if await self.ledger.submit(group):
                self.mine.update(group.numbers)
            await self._breath()

    async def _settle(self) -> None:
        for _ in range(30):
            await self._breath()
            if not self.mine:
                continue
            one = self.dice.choice(sorted(self.mine))
            act = self.dice.randrange(5)
            if act == 0:
                self.ledger.keep(self.ledger.group([], replace={one: (JOB, self._payload())}))
                continue
            self.mine.discard(one)
            if act == 1:
                again = self.ledger.group([(self.dice.choice((JOB, LETTER)), self._payload())], remove=(one,))
                self.ledger.keep(again)
                self.mine.update(again.numbers)
            elif act == 2:
                revived = self.ledger.group([(JOB, self._payload())], remove=(one,))
                self.mine.update(revived.numbers if await self.ledger.submit(revived) else {one})
            else:
                self.ledger.remove(one)

    async def _sync(self) -> None:
        for _ in range(4):
            await self._breath()
            await self.ledger.sync()
            await compacted(self.ledger)

    def _payload(self) -> bytes:
        return b"x" * self.dice.choice((1, 5, 40, 90))

    async def _breath(self) -> None:
        await asyncio.sleep(self.dice.choice((0, 0, 0, LONGEST_S / 3, LONGEST_S)))


async def play(seed: int, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)
    pause = late(random.Random(seed + 1))
    hold_up_the_hand(monkeypatch, pause)
    crashes = dice.random() < 0.8
    failures = dice.randint(0, 3)
    disk = MemoryDisk(trouble(dice, 110, failures, crashes), pause)
    try:
        opened, _ = await open_journal(FOLDER, JournalConfig(sync, 0.001, **SMALL), Events(), disk)
    except JournalError:
        return  # the disk failed at once
    ledger = Ledger(opened, {}, lambda: disk.crashed)
    try:
        await Work(ledger, dice).done()
        if not disk.crashed:
            await healthy(ledger)
    except Down:
        pass
    await opened.close()
    assert disk.open_files == 0
    if not disk.crashed:
        assert recovered(disk.after_kill()) == recovered(disk.after_crash(0)) == ledger.settled()
        return
    if sync is Sync.ALWAYS or not failures:
        assert ledger.allows(recovered(disk.after_kill()))
    if sync is Sync.INTERVAL:  # what the kernel had goes with the machine, or with a file that could not be synced
        ledger.any_end()
    assert ledger.allows(recovered(disk.after_kill()))
    for left in range(6):
        assert ledger.allows(recovered(disk.after_crash(left))), left


async def drive(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)
    pause = late(random.Random(seed + 1))
    hold_up_the_hand(monkeypatch, pause)
    disk = MemoryDisk(trouble(dice, 110, dice.randint(0, 3), dice.random() < 0.8), pause)
    road = await run_driver(disk)
    if road.opened:
        assert not list(wrong(road, await found(disk.after_kill()), sure=False))
        for left in range(6):
            assert not list(wrong(road, await found(disk.after_crash(left)), sure=False)), left


async def each(seeds: int, game: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    for seed in range(FIRST, FIRST + seeds):
        try:
            await game(seed)
        except BaseException as err:
            err.add_note(f"seed {seed}")
            raise


@pytest.mark.parametrize("sync", list(Sync))
async def test_a_journal_keeps_its_promises_however_late_its_threads_are(sync, monkeypatch):
    await each(SEEDS, lambda seed: play(seed, sync, monkeypatch))


async def test_a_driver_keeps_every_accepted_job_however_late_its_journal_is(monkeypatch):
    await each(SEEDS // 2, lambda seed: drive(seed, monkeypatch))
