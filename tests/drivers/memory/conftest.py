"""A memory driver on a virtual clock and a sink that a test empties by hand."""

import asyncio
from collections.abc import Callable

import pytest
from memory_doubles import HandSink, VirtualClock

from rrjobs.drivers.memory.config import MemoryConfig
from rrjobs.drivers.memory.driver import MemoryDriver
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.judge import PolicyJudge
from rrjobs.runtime.events import Events


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def sink() -> HandSink:
    return HandSink()


@pytest.fixture
def job() -> Callable[..., Job]:
    def make(ident: object, priority: int = 10, delay_s: float = 0.0, **more: object) -> Job:
        return Job(str(ident), "ping", b"", "test", priority, delay_s, **more)  # type: ignore[arg-type]

    return make


@pytest.fixture
async def started(clock, sink):
    """Makes a driver that runs into the sink, and ends it."""
    running: list[tuple[MemoryDriver, asyncio.Task[None]]] = []

    async def make(prefetch: int = 100_000, consuming: bool = True) -> MemoryDriver:
        driver = MemoryDriver("test", MemoryConfig(prefetch=prefetch), Events(), timers=clock)
        driver.judge = PolicyJudge()
        running.append((driver, asyncio.create_task(driver.run(sink))))
        await asyncio.sleep(0)
        if consuming:
            await driver.resume()
        return driver

    yield make
    for driver, task in running:
        await driver.close()
        await driver.close()
        await task
