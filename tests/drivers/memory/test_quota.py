"""max_jobs and max_bytes: a push that does not fit is refused whole, and what has ended makes room."""

import asyncio

import pytest
from memory_doubles import HandSink

from rrjobs.drivers.memory.config import MemoryConfig
from rrjobs.drivers.memory.driver import MemoryDriver
from rrjobs.drivers.memory.store import Kept, Volatile
from rrjobs.errors import JournalFull, PushRefused
from rrjobs.pipeline.dead_letter import ALL
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.judge import PolicyJudge
from rrjobs.pipeline.outcome import DONE
from rrjobs.pipeline.policy import Policy, Retry
from rrjobs.runtime.events import Events
from rrjobs.worker.load import Fault, FaultKind


class Full(Volatile):
    """A store that takes nothing while `full`."""

    full = False

    async def accept(self, jobs, then):
        if self.full:
            raise JournalFull("the disk is full", path="/journal")
        then()


class Held(Volatile):
    """A store that held two jobs."""

    async def open(self) -> Kept:
        return Kept([job("old-1"), job("old-2")])


@pytest.fixture
async def make(clock):
    running: list[tuple[MemoryDriver, asyncio.Task[None]]] = []

    async def made(store: Volatile | None = None, **limits: int) -> tuple[MemoryDriver, HandSink]:
        driver, sink = MemoryDriver("test", MemoryConfig(**limits), Events(), timers=clock, store=store), HandSink()
        driver.judge = PolicyJudge(Policy(2, Retry(max_attempts=2, initial_s=5, jitter=0)))
        await driver.open()
        running.append((driver, asyncio.create_task(driver.run(sink))))
        await asyncio.sleep(0)
        await driver.resume()
        return driver, sink

    yield made
    for driver, task in running:
        await driver.close()
        await task


def job(ident: str, payload: bytes = b"", delay_s: float = 0.0) -> Job:
    return Job(ident, "ping", payload, "test", 10, delay_s)


async def refused(driver: MemoryDriver, *jobs: Job) -> str:
    with pytest.raises(PushRefused) as raised:
        await driver.push(jobs)
    assert raised.value.accepted == 0
    return str(raised.value)


async def test_a_push_above_max_jobs_is_refused_whole_and_says_why(make):
    driver, sink = await make(max_jobs=3)
    await driver.push([job("a"), job("b")])
    text = await refused(driver, job("c"), job("d"))
    assert text == "the pipeline test is full: it holds 2 of at most 3 jobs (max_jobs)"
    assert sink.offered == ["a", "b"]
    await driver.push([job("c", delay_s=60)])
    await refused(driver, job("d"))


async def test_max_bytes_counts_payloads(make):
    driver, _ = await make(max_bytes=10)
    await driver.push([job("a", b"x" * 6)])
    text = await refused(driver, job("b", b"x" * 5))
    assert text == "the pipeline test is full: it holds 6 of at most 10 bytes of payload (max_bytes)"
    await driver.push([job("b", b"x" * 4), job("empty")])


async def test_a_job_that_is_done_or_dead_makes_room_and_a_retry_keeps_its_own(make, clock):
    driver, sink = await make(max_jobs=1, max_bytes=4)
    await driver.push([job("a", b"xxxx")])
    sink.take().failed(Fault(FaultKind.ERROR, "no"))
    await refused(driver, job("b"))
    clock.advance(5)
    sink.take().failed(Fault(FaultKind.ERROR, "no"))
    assert [letter.id for letter in await driver.dead.letters(ALL, 9)] == ["a"]
    await driver.push([job("b", b"yyyy")])
    driver.settle(sink.take(), DONE)
    await driver.push([job("c", b"zzzz")])


async def test_a_push_that_the_store_refuses_takes_no_room(make):
    store = Full()
    driver, _ = await make(store, max_jobs=1)
    store.full = True
    assert "the disk is full" in await refused(driver, job("a"))
    store.full = False
    await driver.push([job("a")])


async def test_what_was_held_before_counts_and_may_be_more_than_the_limit(make):
    driver, sink = await make(Held(), max_jobs=1)
    await refused(driver, job("new"))
    driver.settle(sink.take(), DONE)
    await refused(driver, job("new"))
    driver.settle(sink.take(), DONE)
    await driver.push([job("new")])


async def test_a_replayed_letter_is_never_refused_and_counts(make, clock):
    driver, sink = await make(max_jobs=1)
    await driver.push([job("a")])
    for _ in range(2):
        sink.take().failed(Fault(FaultKind.ERROR, "no"))
        clock.advance(5)
    await driver.push([job("b")])
    (letter,) = await driver.dead.letters(ALL, 9)
    assert await driver.dead.replay([letter.key]) == [""]
    driver.settle(sink.take(), DONE)
    await refused(driver, job("c"))


@pytest.mark.parametrize("limits", [{"max_jobs": -1}, {"max_bytes": -5}])
def test_a_negative_limit_is_refused(limits):
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        MemoryConfig(**limits)
