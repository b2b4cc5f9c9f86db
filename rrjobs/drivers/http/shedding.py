"""When requests are sent away rather than kept waiting: the age of the queue decides, not its length.

open --one has waited for `max_wait`--> shedding --the oldest has waited for less than half of that--> open
"""

import math
import time
from collections.abc import Callable

from rrjobs.runtime.events import Events

RELIEF_S = 1.0
"""For how long nobody must have been sent away before that is told to be over."""


class Shedder:
    """Counts whom it sends away, and tells of the first and the last of them: a flood must not become one of lines."""

    def __init__(self, max_wait_s: float, events: Events, clock: Callable[[], float] = time.monotonic) -> None:
        self.shed = 0
        """Requests that were sent away."""
        self._max_wait_s = max_wait_s
        self._events = events
        self._clock = clock
        self._shedding = False
        self._told_at = 0
        self._last = 0.0

    def refuses(self, oldest_s: float) -> bool:
        """Whether one that comes now is sent away at once, where the oldest has waited so long."""
        if self._shedding and oldest_s < self._max_wait_s / 2:
            self._shedding = False
        if self._told_at and not self._shedding and self._clock() - self._last > RELIEF_S:
            number, self._told_at = self.shed - self._told_at + 1, 0
            self._events.emit("http.relieved", shed=number)
        return self._shedding

    def waited_out(self) -> str:
        """One has waited for all of `max_wait`; returns the reason."""
        self._shedding = True
        return f"no worker was free within {self._max_wait_s:g} s (http.max_wait)"

    def send_away(self, reason: str, oldest_s: float) -> int:
        """Count one, and say in how many seconds it should come back: when those are served who wait now."""
        self.shed += 1
        self._last = self._clock()
        if not self._told_at:
            self._told_at = self.shed
            self._events.emit("http.overloaded", reason=reason)
        return max(1, math.ceil(oldest_s))
