"""Calls that wait: they have an owner, and outlive the connection they came from."""

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from rrjobs.rpc.connection import NOT_BEGUN, Done
from rrjobs.runtime.eager import rest_of
from rrjobs.runtime.events import Events

Call = Coroutine[Any, Any, bytes]


class _Pause(NamedTuple):
    """The future that a call stopped at, what goes on with it, and who is told."""

    future: asyncio.Future[Any]
    go_on: Callable[[asyncio.Future[Any]], None]
    done: Done


class WaitingCalls:
    """Owns every call that did not complete at once; a client that goes away does not cancel its calls.

    A call that waits for a future goes on when that is done, without a task. One that stops at anything else gets a
    task from there on: `into_task` stops so.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._paused: dict[Call, _Pause] = {}
        self._tasks: set[asyncio.Task[bytes]] = set()
        self._ending = False

    def adopt(self, call: Call, waited: object, done: Done) -> None:
        """Finish the call, then tell `done` its reply or what it raised."""
        if waited is NOT_BEGUN:
            self._in_task(call, done)
        elif isinstance(waited, asyncio.Future) and not self._ending:
            waited._asyncio_future_blocking = False  # as a task says that it waits for it
            pause = _Pause(waited, partial(self._go_on, call), done)
            self._paused[call] = pause
            waited.add_done_callback(pause.go_on)
        else:
            self._in_task(_rest(call, waited), done)

    def broken(self, method: str, err: Exception) -> None:
        """A bug in a handler: seen in the log with its traceback, answered as an internal error."""
        trace = "".join(traceback.format_exception(err))
        self._events.emit("rpc.failed", method=method, error=repr(err), traceback=trace)

    def refused(self, peer: str, reason: str) -> None:
        """A connection was closed because of what came on it."""
        self._events.emit("rpc.refused", peer=peer, reason=reason)

    async def finish(self, grace_s: float) -> None:
        """Let the calls end within `grace_s`, then cancel the rest; none is left afterwards."""
        self._ending = True
        for call, pause in list(self._paused.items()):
            if pause.future.remove_done_callback(pause.go_on):  # else it goes on in this turn already
                del self._paused[call]
                pause.future._asyncio_future_blocking = True
                self._in_task(_rest(call, pause.future), pause.done)
        await asyncio.sleep(0)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in list(self._tasks):
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
            await asyncio.sleep(0)  # done callbacks run one turn after the task ended

    def _go_on(self, call: Call, future: asyncio.Future[Any]) -> None:
        done = self._paused.pop(call).done
        try:
            waited = call.send(None)
        except StopIteration as end:
            done(end.value)
        except (Exception, asyncio.CancelledError) as err:
            done(err)
        else:
            self.adopt(call, waited, done)

    def _in_task(self, rest: Call, done: Done) -> None:
        task = asyncio.get_running_loop().create_task(rest)
        self._tasks.add(task)

        def ended(task: asyncio.Task[bytes]) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                done(asyncio.CancelledError())
            else:
                done(task.exception() or task.result())

        task.add_done_callback(ended)


async def _rest(call: Call, waited: object) -> bytes:
    return await rest_of(call, waited)
