"""Since when somebody waits, without a time kept for each who does.

Of the deliveries that waited at one moment some are still there as long as fewer have left since then, whatever the
order they leave in. So one mark is enough: the moment, and how many leave until it must be renewed. It tells when the
oldest began to wait or a later time, never an earlier one.
"""

import time
from collections.abc import Callable


class Oldest:
    """`since`, and how many have `gone` since then; they have a meaning while somebody waits."""

    __slots__ = ("_clock", "_until", "gone", "since")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0
        self.gone = 0
        self.since = 0.0

    def came(self) -> None:
        """One more waits."""
        if self._until <= 0:
            self.since = self._clock()
            self._until, self.gone = 1, 0

    def left(self, number: int, waiting: int) -> None:
        """So many went, to workers or elsewhere; `waiting` are left."""
        self._until -= number
        self.gone += number
        if self._until <= 0:
            self.since = self._clock()
            self._until, self.gone = waiting, 0
