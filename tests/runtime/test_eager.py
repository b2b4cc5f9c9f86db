"""Coroutines begun in place and finished in a task, with and without a time limit."""

import asyncio

import pytest

from rrjobs.runtime.eager import rest_of, within


async def finish(coro, waited):
    return await rest_of(coro, waited)


def begin(coro):
    """What the first step stopped at."""
    return coro.send(None)


async def test_a_coroutine_begun_outside_of_a_task_is_finished_in_one():
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()

    async def work():
        return await first + await second

    coro = work()
    waited = begin(coro)
    loop.call_soon(first.set_result, 1)
    loop.call_soon(second.set_result, 2)
    assert await asyncio.create_task(finish(coro, waited)) == 3


async def test_a_future_done_before_the_task_begins_is_no_trouble():
    future = asyncio.get_running_loop().create_future()

    async def work():
        return await future

    coro = work()
    waited = begin(coro)
    future.set_result("x")
    assert await asyncio.create_task(finish(coro, waited)) == "x"


async def test_an_exception_reaches_the_coroutine_and_its_own_reaches_the_caller():
    future = asyncio.get_running_loop().create_future()

    async def work():
        try:
            await future
        except KeyError as err:
            raise ValueError("told") from err

    coro = work()
    waited = begin(coro)
    future.set_exception(KeyError("x"))
    with pytest.raises(ValueError, match="told"):
        await asyncio.create_task(finish(coro, waited))


async def test_cancelling_the_task_cancels_the_coroutine():
    future = asyncio.get_running_loop().create_future()
    seen = []

    async def work():
        try:
            await future
        finally:
            seen.append("cleaned")

    coro = work()
    task = asyncio.create_task(finish(coro, begin(coro)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cleaned"]


async def test_within_arms_nothing_for_a_coroutine_that_never_waits(monkeypatch):
    async def work():
        return 5

    monkeypatch.setattr(asyncio, "timeout", None)
    assert await within(work(), 1.0) == 5


async def test_within_ends_a_coroutine_that_takes_too_long():
    ended = []

    async def work():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(True)

    with pytest.raises(TimeoutError):
        await within(work(), 0.001)
    assert ended == [True]


async def test_within_works_in_an_eager_step_outside_of_any_task():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    begun = loop.create_future()

    async def work():
        return await future

    def outside():
        coro = within(work(), 5.0)
        begun.set_result((coro, begin(coro)))

    loop.call_soon(outside)
    coro, waited = await begun
    loop.call_soon(future.set_result, "late")
    assert await asyncio.create_task(finish(coro, waited)) == "late"
