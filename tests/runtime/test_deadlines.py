"""Many short waits under one limit."""

import asyncio

import pytest

from rrjobs.runtime.deadlines import Deadlines

LONG_S = 30.0


async def value(future):
    return await future


async def test_what_does_not_wait_arms_nothing(monkeypatch):
    limit = Deadlines(LONG_S)
    monkeypatch.setattr(limit, "_begun", None)

    async def work():
        return 5

    assert await limit.within(work()) == 5


async def test_what_ends_in_time_gives_its_value_and_what_it_raises():
    limit, loop = Deadlines(LONG_S), asyncio.get_running_loop()
    good, bad = loop.create_future(), loop.create_future()
    loop.call_soon(good.set_result, 1)
    loop.call_soon(bad.set_exception, KeyError("x"))
    assert await limit.within(value(good)) == 1
    with pytest.raises(KeyError):
        await limit.within(value(bad))


async def test_what_takes_too_long_is_cancelled_where_it_waits():
    limit, never = Deadlines(0.01), asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await limit.within(value(never))
    assert never.cancelled()


async def test_each_has_the_whole_time_and_the_others_go_on():
    limit, loop = Deadlines(0.2), asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()
    earlier = asyncio.create_task(limit.within(value(first)))
    await asyncio.sleep(0.1)
    began = loop.time()
    later = asyncio.create_task(limit.within(value(second)))
    with pytest.raises(TimeoutError):
        await earlier
    assert not later.done()
    with pytest.raises(TimeoutError):
        await later
    assert loop.time() - began >= 0.199


async def test_a_later_wait_is_bounded_too_once_the_timer_of_an_earlier_one_is_over():
    limit, loop = Deadlines(0.05), asyncio.get_running_loop()
    for _ in range(3):
        soon = loop.create_future()
        loop.call_later(0.03, soon.set_result, "x")
        assert await limit.within(value(soon)) == "x"
    with pytest.raises(TimeoutError):
        await limit.within(value(loop.create_future()))


async def test_the_future_that_is_waited_for_now_is_the_one_that_is_cancelled():
    limit, loop = Deadlines(0.05), asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()

    async def both():
        await first
        await second

    loop.call_soon(first.set_result, None)
    with pytest.raises(TimeoutError):
        await limit.within(both())
    assert second.cancelled() and not first.cancelled()


async def test_what_never_stops_at_a_future_is_ended_too():
    async def turns():
        for _ in range(10_000_000):
            await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        await Deadlines(0.01).within(turns())


async def test_what_is_ready_although_the_time_is_over_is_kept():
    limit = Deadlines(0.01)

    async def stubborn():
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return "saved"

    assert await limit.within(stubborn()) == "saved"


async def test_cancelling_the_task_is_no_timeout():
    limit, never = Deadlines(LONG_S), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(limit.within(value(never)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_limits_may_be_nested_and_the_shorter_one_tells():
    outer, inner = Deadlines(LONG_S), Deadlines(0.01)

    async def told():
        try:
            await inner.within(value(asyncio.get_running_loop().create_future()))
        except TimeoutError:
            return "inner"

    assert await outer.within(told()) == "inner"


async def test_no_task_is_needed():
    loop = asyncio.get_running_loop()
    limit, ended = Deadlines(0.01), loop.create_future()

    def step(coro, done=None):
        try:
            waited = coro.send(None)
        except TimeoutError:
            ended.set_result("timeout")
        else:
            waited.add_done_callback(lambda future: step(coro))

    loop.call_soon(step, limit.within(value(loop.create_future())))
    assert await ended == "timeout"
