"""One thread that does blocking work for the event loop, in order."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class Hand:
    """Started when made. `submit` and `stop` are the loop's, `tell` is the thread's."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        """Call `done` with what `work` returned, on the loop. `work` must not raise."""

        def both() -> None:
            self.tell(done, work())

        self._work.put(both)

    def tell(self, done: Callable[[T], None], what: T) -> None:
        """Call it on the loop; for the work that is being done."""
        with suppress(RuntimeError):  # the loop was closed meanwhile: nobody is left to be told
            self._loop.call_soon_threadsafe(done, what)

    def stop(self) -> None:
        """End it after the work it has; waits for that."""
        self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
