"""One time limit for many short waits: an entry for each and one timer for all, and no task is needed.

`asyncio.timeout` arms a timer of its own each time and needs a task: more than all else that a short wait costs.
"""

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class _Wait:
    """What waits: until when at most, and the future that it stopped at."""

    __slots__ = ("ends_at", "expired", "on")

    def __init__(self, ends_at: float, on: object) -> None:
        self.ends_at = ends_at
        self.on = on
        self.expired = False


class Deadlines:
    """Made for one event loop; whatever passes through `within` may take `limit_s`."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._loop = asyncio.get_running_loop()
        self._waits: dict[_Wait, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def within(self, coro: Coroutine[Any, Any, T]) -> T:
        """The result of `coro`, begun in place; TimeoutError after the limit, once it is cancelled as tasks are."""
        try:
            waited = coro.send(None)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        return await self._rest(coro, waited)

    @types.coroutine
    def _rest(self, coro: Coroutine[Any, Any, T], waited: object) -> Generator[Any, Any, T]:
        wait = self._begun(waited)
        try:
            while True:
                try:
                    got = yield waited
                except GeneratorExit:
                    raise
                except BaseException as err:
                    waited = coro.throw(err)
                else:
                    late = wait.expired and not asyncio.isfuture(waited)
                    waited = coro.throw(asyncio.CancelledError()) if late else coro.send(got)
                wait.on = waited
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        except asyncio.CancelledError as err:
            if wait.expired and not _cancelling():
                raise TimeoutError from err
            raise
        finally:
            self._waits.pop(wait, None)
            coro.close()

    def _begun(self, waited: object) -> _Wait:
        """All have the same limit: the first in the order of the entries is the first to expire."""
        wait = _Wait(self._loop.time() + self._limit_s, waited)
        self._waits[wait] = None
        if self._timer is None:
            self._timer = self._loop.call_at(wait.ends_at, self._look)
        return wait

    def _look(self) -> None:
        """The timer is over: that of the first one, which may be gone long since."""
        self._timer = None
        now = self._loop.time()
        for wait in list(self._waits):
            if wait.ends_at > now:
                self._timer = self._loop.call_at(wait.ends_at, self._look)
                return
            del self._waits[wait]
            wait.expired = True
            if isinstance(wait.on, asyncio.Future):
                wait.on.cancel()


def _cancelling() -> bool:
    """Whether somebody cancels the task itself: that goes first."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
