"""When a pool stands still: what counts as moving, and which limit holds for it."""

import asyncio
from collections.abc import Mapping

import pytest

from rrjobs.runtime.events import Events
from rrjobs.services.liveness import Liveness
from rrjobs.worker.running import Running


class Pool:
    name = "jobs"

    def __init__(self, exec_ttl_s: float = 0.0) -> None:
        self.ready = self.booting = 0
        self.working = 1
        self.exec_ttl_s = exec_ttl_s
        self.at: list[Running] = []

    def running(self) -> list[Running]:
        return self.at


class Counts:
    def __init__(self) -> None:
        self.waiting = 0
        self.finished = 0

    def behind(self, lane: str) -> int:
        return self.waiting

    def executed(self, lane: str) -> int:
        return self.finished


class Watch:
    """A liveness of 60 s on a clock that is set by hand."""

    def __init__(self, exec_ttl_s: float = 0.0, liveness_s: float = 60.0) -> None:
        self.now = 1000.0
        self.pool = Pool(exec_ttl_s)
        self.counts = Counts()
        self.liveness = Liveness([self.pool], self.counts, Events(), liveness_s, lambda: self.now)
        self.liveness.start()

    def after(self, seconds: float) -> str:
        self.now += seconds
        return self.liveness.standstill("jobs")


@pytest.fixture
def watch():
    made: list[Watch] = []

    def make(**limits: float) -> Watch:
        made.append(Watch(**limits))
        return made[-1]

    yield make
    for one in made:
        one.liveness.stop()


async def test_deliveries_that_wait_while_none_is_finished_are_a_standstill(watch):
    one = watch()
    one.counts.waiting = 3
    assert one.after(59) == ""
    assert one.after(2) == "3 waiting for pool jobs, and none was finished for 61 s: all its workers are busy"


async def test_a_free_worker_beside_waiting_deliveries_is_named(watch):
    one = watch(exec_ttl_s=600.0)
    one.counts.waiting, one.pool.ready = 1, 1
    assert one.after(61).endswith("although a worker is free")


@pytest.mark.parametrize(("booting", "why"), [(0, "it has no worker"), (3, "none of its workers is ready, 3 starting")])
async def test_a_pool_without_a_working_worker_has_no_excuse_and_says_so(watch, booting, why):
    one = watch(exec_ttl_s=600.0)
    one.counts.waiting, one.pool.working, one.pool.booting = 2, 0, booting
    assert one.after(59) == ""
    assert one.after(2) == f"2 waiting for pool jobs, and none was finished for 61 s: {why}"


async def test_nothing_to_do_is_no_standstill_however_long(watch):
    one = watch()
    assert one.after(10_000) == ""
    one.counts.waiting = 1
    assert one.after(30) == "", "it counts from when it began to wait"


async def test_what_is_finished_or_leaves_the_queue_counts_as_moving(watch):
    one = watch()
    one.counts.waiting = 3
    for change in ("finished", "left"):
        assert one.after(50) == ""
        one.counts.finished += change == "finished"
        one.counts.waiting -= change == "left"
        assert one.after(0) == ""
    assert one.after(50) == ""
    assert one.after(11) != ""


async def test_busy_workers_may_take_as_long_as_exec_ttl_allows(watch):
    one = watch(exec_ttl_s=300.0)
    one.counts.waiting = 1
    assert one.after(299) == ""
    assert one.after(2) != ""


@pytest.mark.parametrize(("exec_ttl_s", "limit_s"), [(0.0, 60), (300.0, 300)])
async def test_one_worker_with_deliveries_that_wait_behind_another_is_a_standstill(watch, exec_ttl_s, limit_s):
    one = watch(exec_ttl_s=exec_ttl_s)
    one.pool.at = [Running(7, "a", limit_s - 1.0, behind=2)]
    assert one.after(0) == ""
    one.pool.at = [Running(8, "b", limit_s + 9.0, behind=0), Running(7, "a", limit_s + 1.0, behind=2)]
    at = f"worker 7 of pool jobs has been at a for {limit_s + 1} s"
    assert one.after(0) == f"{at}, and deliveries written behind it wait: 2"


async def test_one_worker_that_does_not_read_is_a_standstill_and_a_long_execution_is_none(watch):
    one = watch()
    one.pool.at = [Running(7, "a", 1000.0, behind=0)]
    assert one.after(0) == ""
    one.pool.at = [Running(7, "a", 1000.0, behind=0, unread=True)]
    assert one.after(0) == "worker 7 of pool jobs has not read a for 1000 s"


async def test_without_a_limit_nothing_is_a_standstill(watch):
    one = watch(liveness_s=0.0)
    one.counts.waiting = 1
    assert one.after(10_000) == ""


async def test_a_standstill_and_its_end_are_told_once_each():
    events, told = Events(), list[tuple[str, Mapping[str, object]]]()
    for name in ("pool.stalled", "pool.moving"):
        events.subscribe(name, lambda name, fields: told.append((name, fields)))
    counts = Counts()
    liveness = Liveness([Pool()], counts, events, 0.02)
    liveness.start()
    try:
        counts.waiting = 1
        await _until(lambda: told)
        counts.finished += 1
        await _until(lambda: len(told) > 1)
    finally:
        liveness.stop()
    assert [name for name, _ in told[:2]] == ["pool.stalled", "pool.moving"]
    assert "1 waiting for pool jobs" in str(told[0][1]["reason"])


async def _until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)
