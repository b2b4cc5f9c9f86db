"""Pushes of one pipeline, over whichever connection lives."""

import asyncio
import contextlib
from collections.abc import Sequence

from rrjobs.drivers.broker.connection import Connection
from rrjobs.drivers.broker.link import Link
from rrjobs.errors import BrokerUnreachable, ConnectionLost, PushRefused, PushUnknown
from rrjobs.pipeline.job import Job
from rrjobs.runtime.deadlines import Deadlines
from rrjobs.runtime.eager import into_task


class Pushing:
    """`patience_s` bounds a push as a whole. `place` names the broker."""

    def __init__(self, link: Link, place: str, patience_s: float) -> None:
        self._link = link
        self._place = place
        self._patience_s = patience_s
        self._limit = Deadlines(patience_s)
        self._loop = asyncio.get_running_loop()

    async def push(self, jobs: Sequence[Job]) -> None:
        """Raises PushRefused when nothing was accepted, or PushUnknown when nobody can tell."""
        began = self._loop.time()
        connection = self._link.current
        if connection is not None:
            try:
                await self._limit.within(connection.publish(jobs))
                return
            except ConnectionLost as err:
                self._check_unsent(err)
            except TimeoutError as err:
                raise self._silence() from err
        await into_task()
        while not await self._pushed(jobs, began + self._patience_s):
            pass

    async def _pushed(self, jobs: Sequence[Job], deadline: float) -> bool:
        """False when the connection was lost before anything was sent: the next one is to be tried."""
        try:
            connection = await self._link.up(max(0.0, deadline - self._loop.time()))
        except BrokerUnreachable as err:
            raise PushRefused(f"not accepted: {err}") from err
        try:
            async with asyncio.timeout_at(deadline):
                await connection.publish(jobs)
        except ConnectionLost as err:
            self._check_unsent(err)
            await self._left(connection, deadline, err)
            return False
        except TimeoutError as err:
            raise self._silence() from err
        return True

    async def _left(self, connection: Connection, deadline: float, lost: ConnectionLost) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._link.left(connection)
                return
        raise PushRefused(f"not accepted: {lost}") from lost

    def _check_unsent(self, lost: ConnectionLost) -> None:
        if lost.sent:
            raise PushUnknown(f"unknown whether it was accepted: {lost}") from lost

    def _silence(self) -> PushUnknown:
        text = f"{self._place} confirmed nothing within {self._patience_s:g} s"
        return PushUnknown(f"unknown whether it was accepted: {text}")
