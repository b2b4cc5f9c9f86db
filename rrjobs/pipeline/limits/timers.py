"""The monotonic clock and timers by it: what rates are kept by."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from rrjobs.pipeline.limits.window import Cancellable

LEAST_S = 0.001
"""Timers of event loops fire up to a millisecond early: asking for less would only turn the loop."""


class Timers(Protocol):
    """Time in seconds, from an unknown beginning."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancellable: ...


class LoopTimers:
    """On the running event loop, whose own clock stands still while a turn of it lasts."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.time = time.monotonic

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancellable:
        """Not before `when`, but for what the loop rounds off."""
        return self._loop.call_later(max(LEAST_S, when - time.monotonic()), callback)
