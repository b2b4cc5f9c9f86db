"""Pools of real PHP processes whose number of workers follows the load."""

import asyncio
import time
from pathlib import Path

import pytest
from test_pool import DEADLINE_S, Table, alive

WORKER = str(Path(__file__).with_name("bad_worker.php"))


@pytest.fixture
async def scaled():
    made: list[Table] = []

    async def make(command=("php", WORKER), pool=None, **keys) -> Table:
        one = Table(list(command), 1, None, None, **{"num_workers": 1, "autoscale": {"max": 8, **keys}, **(pool or {})})
        one.changes = []
        one.refused = []
        one.events.subscribe("pool.scaled", lambda _, fields: one.changes.append(dict(fields)))
        one.events.subscribe("worker.spawn_failed", lambda _, fields: one.refused.append(time.monotonic()))
        made.append(one)
        return await one.start()

    yield make
    for one in made:
        await one.pool.stop(1.0)


async def until(condition, what: str) -> None:
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(what) from None


async def test_a_burst_grows_the_pool_and_silence_shrinks_it_to_its_minimum(scaled):
    one = await scaled(target_wait_ms=20, idle_s="300ms", max=6)
    one.push(*["nap"] * 60)
    await one.all_settled()
    assert one.failed == [] and one.failures == []
    assert one.pool.size == 6
    grown = one.changes[0]
    assert (grown["before"], grown["workers"]) == (1, 6) or grown["workers"] > grown["before"]
    assert " waiting, the " in grown["reason"] and "(target 20 ms)" in grown["reason"]
    await until(lambda: one.pool.size == 1, "the surplus is stopped")
    assert one.changes[-1]["workers"] == 1
    assert "idle for 0.3 s" in one.pool.range.reason
    one.push("ok")
    await one.all_settled()


async def test_short_waits_start_nobody(scaled):
    one = await scaled(target_wait_ms=5000)
    one.push(*["slow"] * 100)
    await one.all_settled()
    assert one.pool.size == 1 and one.changes == []


async def test_the_spawn_rate_bounds_the_starts(scaled):
    one = await scaled(target_wait_ms=1, spawn_rate=2)
    began = time.monotonic()
    one.push(*["nap"] * 40)
    await until(lambda: one.pool.target >= 5, "it grows on")
    assert time.monotonic() - began >= 0.9, "two at once, then two in a second"
    await one.all_settled()


async def test_a_command_that_no_longer_starts_is_tried_ever_more_rarely_and_the_rest_serves_on(scaled, tmp_path):
    switch = tmp_path / "broken"
    script = tmp_path / "worker.sh"
    script.write_text(f"#!/bin/sh\n[ -e {switch} ] && exit 3\nexec php {WORKER}\n")
    script.chmod(0o755)
    one = await scaled(command=(str(script),), target_wait_ms=1, spawn_rate=100)
    switch.touch()
    one.push(*["nap"] * 20)
    await until(lambda: one.refused, "the first start fails")
    await one.all_settled()
    assert len(one.refused) <= 8, "about two seconds: at most four side by side, then one second of rest"
    assert one.pool.size == 1 and one.pool.target == 1
    assert one.pool.healthy, "who works does so undisturbed"
    assert "cannot grow" in one.pool.range.reason
    switch.unlink()
    one.push(*["nap"] * 60)
    await until(lambda: one.pool.size > 1, "it grows once the command works again")
    await one.all_settled()


async def test_deaths_and_retirements_of_a_grown_pool_are_replaced(scaled):
    one = await scaled(target_wait_ms=1, idle_s=60, max=4, pool={"max_jobs": 10})
    one.push(*["nap"] * 20)
    await until(lambda: one.pool.size >= 4, "it grows")
    one.push("leave", "leave", *["nap"] * 40)
    await one.all_settled()
    assert one.failed == []
    await until(lambda: one.pool.ready == 4, "as many as before")


async def test_a_reset_of_a_grown_pool_keeps_its_size_and_fails_nothing(scaled):
    one = await scaled(target_wait_ms=1, idle_s="200ms", max=4)
    one.push(*["nap"] * 30)
    await until(lambda: one.pool.size >= 4, "it grows")
    before = {worker.pid for worker in one.pool.alive}
    await one.pool.reset()
    await one.all_settled()
    assert one.failed == []
    assert not before & {worker.pid for worker in one.pool.alive}
    await until(lambda: one.pool.size == 1 and one.pool.target == 1, "and shrinks afterwards")


async def test_workers_added_by_hand_stay_and_removed_ones_do_not_come_back(scaled):
    one = await scaled(target_wait_ms=1, idle_s="100ms", max=2)
    await one.pool.add_worker()
    assert (one.pool.range.min, one.pool.range.max) == (2, 3)
    one.push(*["nap"] * 12)
    await one.all_settled()
    await until(lambda: one.pool.size == 2, "what grew shrinks to the moved minimum")
    await one.pool.remove_worker()
    await one.pool.remove_worker()
    assert (one.pool.range.min, one.pool.range.max, one.pool.target) == (1, 2, 1), "the last one stays"
    one.push("ok")
    await one.all_settled()


async def test_a_pool_that_stops_while_it_grows_leaves_no_process(scaled):
    one = await scaled(target_wait_ms=1)
    one.push(*["nap"] * 30)
    await until(lambda: one.pool.booting, "it grows")
    pids = [worker.pid for worker in one.pool.alive]
    one.take_back = lambda delivery, reason: None
    await one.dispatcher.drain(0.0)
    await one.pool.stop(5.0)
    assert one.pool.size == 0
    assert [pid for pid in pids if alive(pid)] == []


async def test_roadrunners_keys_mean_the_same(scaled):
    keys = {"autoscale": None, "dynamic_allocator": {"max_workers": 3, "spawn_rate": 10, "idle_timeout": "1s"}}
    one = await scaled(pool={"num_workers": 2, **keys})
    assert (one.pool.range.min, one.pool.range.max) == (2, 5)
    one.push(*["nap"] * 40)
    await one.all_settled()
    assert one.pool.size == 5
