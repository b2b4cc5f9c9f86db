"""Background tasks of one owner: kept alive while they run, ended with it, and never failing unseen."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from rrjobs.errors import RRJobsError

Result = TypeVar("Result")


def reason_of(err: BaseException) -> str:
    """What a task failed of, in a line: of a group of errors the first one; what is no error of ours with its kind."""
    while isinstance(err, BaseExceptionGroup):
        err = err.exceptions[0]
    text = " ".join(str(err).split())
    return text if text and isinstance(err, RRJobsError) else f"{type(err).__name__}: {text}".removesuffix(": ")


class Tasks:
    """Made anywhere; `start` and `end` are called with the loop running.

    `failed` gets what a task raised; without it the loop's exception handler does, so that a bug is in the log.
    """

    def __init__(self, failed: Callable[[BaseException], None] | None = None) -> None:
        self._failed = failed
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, Result], name: str | None = None) -> asyncio.Task[Result]:
        """Run it beside the others."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """Ask all to end."""
        for task in tuple(self._running):
            task.cancel()

    async def end(self) -> None:
        """Cancel all and wait until they have ended; safe twice."""
        self.cancel()
        while self._running:
            await asyncio.wait(tuple(self._running))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled() or (err := task.exception()) is None:
            return
        if self._failed is not None:
            self._failed(err)
        else:
            about = {"message": f"the task {task.get_name()} failed", "exception": err, "task": task}
            task.get_loop().call_exception_handler(about)
