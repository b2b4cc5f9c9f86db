"""Coroutines that mostly finish at once: run the first step in place, pay for a task or a timer only when it waits."""

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


@types.coroutine
def rest_of(coro: Coroutine[Any, Any, T], waited: object) -> Generator[Any, Any, T]:
    """Go on with a coroutine whose first `send(None)` stopped at `waited`; awaited from a task, it waits for just that.

    Python 3.11 has no eager tasks: a task always begins with a step of its own, so the future that the first step
    stopped at has to be handed to the event loop once more.
    """
    try:
        while True:
            try:
                got = yield waited
            except GeneratorExit:
                raise
            except BaseException as err:
                waited = coro.throw(err)
            else:
                waited = coro.send(got)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    finally:
        coro.close()


async def into_task() -> None:
    """Wait until a task goes on with what runs in somebody's eager step: asyncio.timeout needs one."""
    if asyncio.current_task() is None:
        await asyncio.sleep(0)


async def within(coro: Coroutine[Any, Any, T], limit_s: float) -> T:
    """The result of `coro`, or TimeoutError after `limit_s`; nothing is armed for one that never waits."""
    try:
        waited = coro.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    try:
        await into_task()
        async with asyncio.timeout(limit_s):
            return await rest_of(coro, waited)
    finally:
        coro.close()
