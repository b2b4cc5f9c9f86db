"""Calls that wait, with a task where they need one and without where they do not."""

import asyncio

import pytest

from rrjobs.rpc.calls import WaitingCalls
from rrjobs.rpc.connection import NOT_BEGUN
from rrjobs.runtime.eager import into_task
from rrjobs.runtime.events import Events


class Told:
    """What `done` was told."""

    def __init__(self) -> None:
        self.results: list[object] = []
        self.came = asyncio.Event()

    def __call__(self, result: object) -> None:
        self.results.append(result)
        self.came.set()

    async def one(self):
        async with asyncio.timeout(5):
            await self.came.wait()
        (result,) = self.results
        return result


@pytest.fixture
async def calls():
    made = WaitingCalls(Events())
    yield made
    await made.finish(0.0)


def begin(calls, call, told):
    """The first step is outside of any task, as when bytes come from a client."""

    def outside():
        calls.adopt(call, call.send(None), told)

    asyncio.get_running_loop().call_soon(outside)


async def test_a_call_that_waits_for_futures_needs_no_task(calls):
    loop, told, tasks = asyncio.get_running_loop(), Told(), []

    async def call():
        for _ in range(3):
            tasks.append(asyncio.current_task())
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future
        return b"reply"

    begin(calls, call(), told)
    assert await told.one() == b"reply" and tasks == [None] * 3


async def test_a_call_that_asks_for_a_task_has_one_from_there_on(calls):
    loop, told = asyncio.get_running_loop(), Told()

    async def call():
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future
        await into_task()
        async with asyncio.timeout(5):
            await asyncio.sleep(0.001)
        return b"reply"

    begin(calls, call(), told)
    assert await told.one() == b"reply"


async def test_a_call_that_is_to_wait_from_its_first_step_has_a_task(calls):
    told = Told()

    async def call():
        assert asyncio.current_task() is not None
        return b"reply"

    calls.adopt(call(), NOT_BEGUN, told)
    assert await told.one() == b"reply"


async def test_what_a_call_raises_is_told(calls):
    told, future = Told(), asyncio.get_running_loop().create_future()

    async def call():
        await future
        return b""

    begin(calls, call(), told)
    asyncio.get_running_loop().call_later(0.001, future.set_exception, KeyError("x"))
    assert isinstance(await told.one(), KeyError)


async def test_at_the_end_calls_have_a_little_time_and_are_cancelled_then():
    calls, loop = WaitingCalls(Events()), asyncio.get_running_loop()
    soon, never, cleaned = loop.create_future(), loop.create_future(), []
    quick, slow = Told(), Told()

    async def call(future):
        try:
            await future
            await asyncio.sleep(0.001)
            return b"reply"
        finally:
            cleaned.append(future)

    begin(calls, call(soon), quick)
    begin(calls, call(never), slow)
    await asyncio.sleep(0)
    loop.call_later(0.001, soon.set_result, None)
    await calls.finish(0.2)
    assert quick.results == [b"reply"] and cleaned == [soon, never]
    assert [type(result) for result in slow.results] == [asyncio.CancelledError]


async def test_a_call_whose_answer_came_in_the_turn_of_the_end_is_finished_once():
    calls, future, told = WaitingCalls(Events()), asyncio.get_running_loop().create_future(), Told()
    steps = []

    async def call():
        await future
        steps.append("went on")
        await asyncio.sleep(0)
        return b"reply"

    begin(calls, call(), told)
    await asyncio.sleep(0)
    future.set_result(None)
    await calls.finish(1.0)
    assert (told.results, steps) == ([b"reply"], ["went on"])
