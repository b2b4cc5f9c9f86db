"""A clock that only the test moves, and an event loop that lives by it: nothing depends on how busy the machine is."""

import asyncio
import contextlib
import functools
import time
from collections.abc import Iterator
from unittest import mock

import rrjobs.worker.pool
import rrjobs.worker.worker
from rrjobs.worker.session import Session

TURN_S = 0.0001
"""What one turn of the loop is said to take."""


class VirtualClock:
    """Stands in for the module `time` where workers and pools ask it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return time.time_ns()

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Workers and pools live by this clock meanwhile."""
        with (
            mock.patch.object(rrjobs.worker.pool, "time", self),
            mock.patch.object(rrjobs.worker.worker, "time", self),
            mock.patch.object(rrjobs.worker.worker, "Session", functools.partial(Session, clock=self.monotonic)),
        ):
            yield


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its timers follow the clock. Pipes are real, and never make it wait."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock

    def time(self) -> float:
        return self.clock.now

    def turn(self) -> None:
        """Whatever is ready now runs once."""
        self.clock.now += TURN_S
        self.call_soon(self.stop)
        self.run_forever()

    def pass_over(self, at_most_s: float) -> None:
        """Nothing happens: move the clock to the next timer."""
        timers = [timer.when() for timer in self._scheduled if not timer.cancelled()]
        self.clock.now = min([self.clock.now + at_most_s, *(when for when in timers if when > self.clock.now)])
