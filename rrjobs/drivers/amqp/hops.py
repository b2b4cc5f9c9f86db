"""Messages that have come out of one delay queue and go into the next: their delay is made of several steps."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from rrjobs.drivers.broker.backoff import Backoff
from rrjobs.errors import ConnectionLost, DriverError
from rrjobs.pipeline.job import Job

EARLY_S = 0.05
"""A message that is due so soon is due."""


class Hop(NamedTuple):
    """`due` in unix milliseconds."""

    tag: int
    job: Job
    due: int


class Hops:
    """Filled as messages arrive; `run` carries them out one by one, each confirmed before its original is acked."""

    def __init__(self, keep: Callable[[Job], Awaitable[None]], ack: Callable[[tuple[int, ...]], None]) -> None:
        self._keep = keep
        self._ack = ack
        self._waiting: asyncio.Queue[Hop] = asyncio.Queue()

    def add(self, hop: Hop) -> None:
        """It is not due yet."""
        self._waiting.put_nowait(hop)

    async def run(self) -> None:
        """Until cancelled; raises ConnectionLost."""
        while True:
            hop = await self._waiting.get()
            await self._carry(hop)
            self._ack((hop.tag,))

    async def _carry(self, hop: Hop) -> None:
        backoff = Backoff(first_s=0.5)
        while True:
            left_s = max(0, math.ceil(hop.due / 1000 - time.time() - EARLY_S))
            try:
                await self._keep(hop.job.again(left_s, {}))
                return
            except ConnectionLost:
                raise
            except DriverError:
                await asyncio.sleep(backoff.next_s())
