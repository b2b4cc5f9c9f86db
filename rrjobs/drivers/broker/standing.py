"""How a pipeline on a broker stands: what its broker counts, whether it is ready, and what troubles it."""

import asyncio

from rrjobs.drivers.broker.connection import Broker, Connection, Counts
from rrjobs.drivers.broker.link import Link
from rrjobs.errors import DriverError
from rrjobs.pipeline.driver import SourceState

COUNTS_S = 5.0
"""What a broker may take to tell its counts."""


class Standing:
    """After `liveness_s` without a connection that works, or without counts, the pipeline is not ready."""

    def __init__(self, broker: Broker, link: Link, liveness_s: float) -> None:
        self._broker = broker
        self._link = link
        self._liveness_s = liveness_s
        self._mute: Connection | None = None
        self._mute_since = 0.0

    async def state(self, *, consuming: bool, trouble: str) -> SourceState:
        """`consuming` is what is wanted; `trouble` what keeps outcomes from the broker."""
        connection, error, counts = self._link.current, trouble, Counts()
        if connection is None:
            error = self._link.trouble or f"no connection to {self._broker.place}"
        else:
            asked_s = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(COUNTS_S):
                    counts = await connection.counts()
                self._mute = None
            except (TimeoutError, DriverError) as err:
                error = str(err) or f"{self._broker.place} does not answer"
                self._is_mute(connection, asked_s)
        alive = max(self._link.down_s, self._mute_s) < self._liveness_s
        ready = consuming and alive
        shown = (error or self._link.trouble) if ready or not alive else ""
        return SourceState(self._broker.name, self._broker.queue, ready, *counts, shown)

    def _is_mute(self, connection: Connection, asked_s: float) -> None:
        if self._mute is not connection:
            self._mute = connection
            self._mute_since = asked_s

    @property
    def _mute_s(self) -> float:
        """For how long the connection has not told its counts."""
        if self._mute is None or self._mute is not self._link.current:
            return 0.0
        return asyncio.get_running_loop().time() - self._mute_since
