"""The memory driver over its journal: every call to the disk is once the moment of a crash, and once fails.

What the next driver finds is held against what may be: every accepted job once, queued or dead, with the right attempt.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest
from journal_doubles import FOLDER, MemoryDisk
from memory_doubles import HandSink

from rrjobs.drivers.memory.config import MemoryConfig
from rrjobs.drivers.memory.driver import MemoryDriver
from rrjobs.drivers.memory.journal.config import JournalConfig
from rrjobs.drivers.memory.journalled import Journalled
from rrjobs.drivers.memory.store import Kept
from rrjobs.errors import DriverError
from rrjobs.pipeline.dead_letter import ALL, DeadLetter
from rrjobs.pipeline.delivery import JobDelivery
from rrjobs.pipeline.history import history_of
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.judge import PolicyJudge
from rrjobs.pipeline.outcome import DONE
from rrjobs.pipeline.policy import Policy, Retry
from rrjobs.runtime.events import Events
from rrjobs.worker.load import Fault, FaultKind

SMALL = JournalConfig(segment_bytes=600, reserve_bytes=0)
SEEDS = range(int(os.environ.get("SOAK_SEEDS", "12")))
MOST_CALLS = 400
pytestmark = pytest.mark.soak
DEAD, GONE = -1, 0
"""Where a job may be, beside its attempt when it is queued."""
ERROR, CRASH = Fault(FaultKind.ERROR, "no"), Fault(FaultKind.CRASHED, "died", signal=9)


class Road:
    """A driver whose deliveries a test settles, and what each job may have become."""

    def __init__(self, disk: MemoryDisk) -> None:
        self.disk = disk
        self.store = Journalled("test", FOLDER, SMALL, Events(), disk)
        self.driver = MemoryDriver("test", MemoryConfig(), Events(), store=self.store)
        self.driver.judge = PolicyJudge(Policy(2, Retry(max_attempts=3, initial_s=0)), now=lambda: 1000.0)
        self.sink = HandSink()
        self.may: dict[str, set[int]] = {}
        self.last: dict[str, int] = {}
        self.lent: set[tuple[str, int]] = set()
        self.noted: set[tuple[str, int]] = set()
        self.opened = False
        self.replayed: set[str] = set()

    async def open(self) -> None:
        await self.driver.open()
        self.opened = True
        self.task = asyncio.create_task(self.driver.run(self.sink))
        await asyncio.sleep(0)
        await self.driver.resume()

    async def push(self, *idents: str) -> None:
        for ident in idents:
            self.may[ident] = {GONE, 1}
        try:
            await self.driver.push([Job(one, "ping", one.encode() * 9, "test", 10) for one in idents])
        except DriverError:
            self._now(idents, GONE)
        else:
            self._now(idents, 1)

    def take(self) -> JobDelivery:
        delivery = self.sink.take()
        delivery.encode()
        if not self.disk.crashed:
            self.lent.add((delivery.ident, delivery.attempt))
        self.noted.add((delivery.ident, delivery.attempt))
        return delivery

    def settle(self, delivery: JobDelivery, fault: Fault | None, becomes: int) -> None:
        self.may[delivery.ident].add(becomes)
        self.last[delivery.ident] = becomes
        if fault is None:
            self.driver.settle(delivery, DONE)
        else:
            delivery.failed(fault)

    def take_back(self, delivery: JobDelivery) -> None:
        self.driver.take_back(delivery, "unstarted")
        if not self.disk.crashed:
            self.lent.discard((delivery.ident, delivery.attempt))

    async def sync(self) -> bool:
        """Everything so far is on disk: each job is where it was said last to be."""
        last = dict(self.last)
        with suppress(DriverError):
            await self.store._journal.sync()
            for ident, where in last.items():
                self._now((ident,), where)
            return True
        return False

    async def replay(self, letter: DeadLetter) -> None:
        self.may[letter.id].add(1)
        self.replayed.add(letter.id)
        with suppress(DriverError):
            assert await self.driver.dead.replay([letter.key]) == [""]
            self._now((letter.id,), 1)

    async def drop(self, letter: DeadLetter) -> None:
        self.may[letter.id].add(GONE)
        self.last[letter.id] = GONE
        assert await self.driver.dead.drop([letter.key]) == [""]

    async def letters(self, name: str) -> list[DeadLetter]:
        return [letter for letter in await self.driver.dead.letters(ALL, 100) if letter.id[0] == name]

    def _now(self, idents: tuple[str, ...], where: int) -> None:
        self.last |= dict.fromkeys(idents, where)
        if not self.disk.crashed:
            for ident in idents:
                self.may[ident] = {where}


async def work(road: Road) -> None:
    """Pushes, settles, retries, deaths, replays, drops and returns."""
    for turn in range(4):
        a, b, c, d = (f"{name}{turn}" for name in "abcd")
        await road.push(a, b)
        await road.push(c, d)
        while len(road.sink.queue):
            delivery = road.take()
            name = delivery.ident[0]
            if name == "a":
                road.settle(delivery, None, GONE)
            elif name == "b":
                road.settle(delivery, ERROR, DEAD if delivery.attempt == 3 else delivery.attempt + 1)
            elif name == "c":
                road.settle(delivery, CRASH, DEAD if delivery.crashes == 1 else delivery.attempt + 1)
            else:
                road.take_back(delivery)
                break
        await road.sync()
        for letter in await road.letters("c"):
            await road.replay(letter)
        if len(road.sink.queue):
            road.take()  # in a worker when the end comes
        for letter in await road.letters("b"):
            await road.drop(letter)


async def run(disk: MemoryDisk) -> Road:
    road = Road(disk)
    with suppress(DriverError):
        await road.open()
        await work(road)
    async with asyncio.timeout(5):
        while road.opened and not disk.crashed and (not await road.sync() or road.store.trouble):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    await road.store.close(Kept())
    if road.opened:
        road.task.cancel()
        await asyncio.wait([road.task])
    assert disk.open_files == 0
    return road


async def found(disk: MemoryDisk) -> dict[str, int]:
    """Where each job is for the next process."""
    road = Road(disk)
    await road.driver.open()
    queued = [(job.id, history_of(job.headers).attempt) for job in road.driver._waiting.take(lambda _: True)]
    dead = [(letter.id, DEAD) for letter in road.driver.dead.held]
    await road.store.close(Kept())
    assert max(Counter(ident for ident, _ in queued + dead).values(), default=1) == 1, "a job is there twice"
    return dict(queued + dead)


def wrong(road: Road, places: dict[str, int], sure: bool) -> Iterator[str]:
    """`sure`: what was noted of lent jobs has not been lost. A replayed job may be in either of its lives."""
    for ident in road.may.keys() | places.keys():
        allowed: set[int] = set()
        for where in road.may.get(ident, set()):
            if sure and ident not in road.replayed:
                allowed.add(where + ((ident, where) in road.lent))
            else:
                allowed |= {where, where + ((ident, where) in road.noted)}
        if places.get(ident, GONE) not in allowed:
            yield f"{ident} is {places.get(ident, GONE)}, may be {sorted(allowed)}"


async def test_the_work_makes_every_kind_of_job():
    road = await run(MemoryDisk())
    places = await found(road.disk.after_kill())
    assert not list(wrong(road, places, sure=True))
    assert {where for may in road.may.values() for where in may} >= {GONE, 1, 2}
    assert any(ident for ident, attempt in road.lent if places.get(ident) == attempt + 1)
    assert road.replayed
    assert road.disk.calls > 60


@pytest.mark.parametrize("what", ["crash", "crash within", "crash after"])
async def test_after_a_crash_at_any_call_every_accepted_job_is_there_once_with_its_attempt(what):
    for call in range(MOST_CALLS):
        disk = MemoryDisk(lambda number, _, call=call: what if number == call else "")
        road = await run(disk)
        if disk.calls <= call:
            assert call > 60
            return
        assert not list(wrong(road, await found(disk.after_kill()), sure=what == "crash")), (call, disk.log[-1])
        for seed in SEEDS:
            assert not list(wrong(road, await found(disk.after_crash(seed)), sure=False)), (call, disk.log[-1], seed)
    pytest.fail("the work never ended")


@pytest.mark.parametrize("what", ["EIO", "ENOSPC", "short", "half ENOSPC"])
async def test_one_failed_call_loses_no_accepted_job_and_doubles_none(what):
    for call in range(MOST_CALLS):
        disk = MemoryDisk(lambda number, _, call=call: what if number == call else "")
        road = await run(disk)
        if road.opened:
            assert not list(wrong(road, await found(disk.after_kill()), sure=False)), (call, disk.log[call])
        if disk.calls <= call:
            assert call > 60
            return
    pytest.fail("the work never ended")
