"""Brings the live connection of a pipeline to what is wanted: consuming or not."""

import asyncio
from collections.abc import Awaitable, Callable

from rrjobs.drivers.broker.connection import Arrivals, Connection
from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.drivers.broker.intake import Intake
from rrjobs.drivers.broker.link import Link
from rrjobs.errors import ConnectionLost

BEGIN_S = 20.0
"""What a broker may take to begin or to cease; its connection is given up then."""


class Steering:
    """`give_back` gets what was not started when consuming ends."""

    def __init__(self, link: Link, intake: Intake, give_back: Callable[[BrokerDelivery], None]) -> None:
        self.wanted = False
        self._link = link
        self._intake = intake
        self._give_back = give_back
        self._consuming: Connection | None = None
        self._one_at_a_time = asyncio.Lock()
        self._stuck: asyncio.Future[str] | None = None

    async def steer(self, arrivals: Arrivals) -> None:
        """Do what is wanted now, on the connection there is now. Raises DriverError."""
        async with self._one_at_a_time:
            connection = self._link.current
            if not self.wanted:
                await self._cease(connection)
            elif connection is not None and self._consuming is not connection:
                await self._bounded(connection.consume(arrivals), "begin to deliver")
                self._consuming = connection
            if connection is not None and connection is self._link.current:
                self._link.works()

    async def until_lost(self, connection: Connection) -> None:
        """Raises ConnectionLost once it is lost, or was given up here."""
        self._stuck = stuck = asyncio.get_running_loop().create_future()
        losing = asyncio.get_running_loop().create_task(connection.lost(), name="connection lost")
        try:
            await asyncio.wait((losing, stuck), return_when=asyncio.FIRST_COMPLETED)
            raise ConnectionLost(losing.result() if losing.done() else stuck.result())
        finally:
            self._stuck = None
            losing.cancel()
            await asyncio.wait((losing,))

    def lost(self) -> None:
        """The connection is of no more use."""
        self._consuming = None

    async def _cease(self, connection: Connection | None) -> None:
        """What was not started goes back, also when there is no connection to tell it to."""
        consuming, self._consuming = self._consuming, None
        try:
            if consuming is not None and consuming is connection:
                await self._bounded(consuming.cease(), "cease to deliver")
        finally:
            for delivery in self._intake.recall():
                self._give_back(delivery)

    async def _bounded(self, work: Awaitable[None], what: str) -> None:
        try:
            async with asyncio.timeout(BEGIN_S):
                await work
        except TimeoutError as err:
            reason = f"it did not {what} within {BEGIN_S:g} s"
            if self._stuck is not None and not self._stuck.done():
                self._stuck.set_result(reason)
            raise ConnectionLost(reason) from err
