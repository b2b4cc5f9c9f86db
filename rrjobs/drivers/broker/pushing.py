"""Pushes of one pipeline, over whichever connection lives."""

import asyncio
import contextlib
from collections.abc import Sequence

from rrjobs.drivers.broker.link import Link
from rrjobs.errors import BrokerUnreachable, ConnectionLost, PushRefused, PushUnknown
from rrjobs.pipeline.job import Job


class Pushing:
    """`patience_s` bounds a push as a whole. `place` names the broker."""

    def __init__(self, link: Link, place: str, patience_s: float) -> None:
        self._link = link
        self._place = place
        self._patience_s = patience_s

    async def push(self, jobs: Sequence[Job]) -> None:
        """Raises PushRefused when nothing was accepted, or PushUnknown when nobody can tell."""
        deadline = asyncio.get_running_loop().time() + self._patience_s
        while not await self._pushed(jobs, deadline):
            pass

    async def _pushed(self, jobs: Sequence[Job], deadline: float) -> bool:
        """False when the connection was lost before anything was sent: the next one is to be tried."""
        try:
            connection = await self._link.up(max(0.0, deadline - asyncio.get_running_loop().time()))
        except BrokerUnreachable as err:
            raise PushRefused(f"not accepted: {err}") from err
        try:
            async with asyncio.timeout_at(deadline):
                await connection.publish(jobs)
        except ConnectionLost as err:
            if err.sent:
                raise PushUnknown(f"unknown whether it was accepted: {err}") from err
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._link.left(connection)
                    return False
            raise PushRefused(f"not accepted: {err}") from err
        except TimeoutError as err:
            text = f"{self._place} confirmed nothing within {self._patience_s:g} s"
            raise PushUnknown(f"unknown whether it was accepted: {text}") from err
        return True
