"""Calls that wait: tasks with an owner, which outlive the connection they came from."""

import asyncio
import traceback
from collections.abc import Coroutine
from typing import Any

from rrjobs.rpc.connection import NOT_BEGUN, Done
from rrjobs.runtime.eager import rest_of
from rrjobs.runtime.events import Events


class WaitingCalls:
    """Owns every call that did not complete at once; a client that goes away does not cancel its calls."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._tasks: set[asyncio.Task[bytes]] = set()

    def adopt(self, call: Coroutine[Any, Any, bytes], waited: object, done: Done) -> None:
        """Finish the call in a task, then tell `done` its reply or what it raised."""
        rest = call if waited is NOT_BEGUN else _rest(call, waited)
        task = asyncio.get_running_loop().create_task(rest)
        self._tasks.add(task)

        def ended(task: asyncio.Task[bytes]) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                done(asyncio.CancelledError())
            else:
                done(task.exception() or task.result())

        task.add_done_callback(ended)

    def broken(self, method: str, err: Exception) -> None:
        """A bug in a handler: seen in the log with its traceback, answered as an internal error."""
        trace = "".join(traceback.format_exception(err))
        self._events.emit("rpc.failed", method=method, error=repr(err), traceback=trace)

    def refused(self, peer: str, reason: str) -> None:
        """A connection was closed because of what came on it."""
        self._events.emit("rpc.refused", peer=peer, reason=reason)

    async def finish(self, grace_s: float) -> None:
        """Let the calls end within `grace_s`, then cancel the rest; none is left afterwards."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in list(self._tasks):
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
            await asyncio.sleep(0)  # done callbacks run one turn after the task ended


async def _rest(call: Coroutine[Any, Any, bytes], waited: object) -> bytes:
    return await rest_of(call, waited)
