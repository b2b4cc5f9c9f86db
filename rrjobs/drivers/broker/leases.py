"""Messages that are ours only for a while (visibility timeout, ack wait, time to run), and are kept ours in time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

PART = 3.0
"""A lease is renewed when a third of it is over, so that one failed renewal costs nothing."""


class Leases(Generic[T]):
    """`renew(handles)` is called with all that is held, every third of `lease_s`, by the task in `run`.

    A handle that came just before a renewal is renewed early; none is ever renewed late.
    """

    def __init__(self, lease_s: float, renew: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._period_s = lease_s / PART
        self._renew = renew
        self._held: dict[int, T] = {}

    def add(self, handle: T) -> None:
        """From now on."""
        self._held[id(handle)] = handle

    def discard(self, handle: T) -> None:
        """It is settled; safe twice."""
        self._held.pop(id(handle), None)

    async def run(self) -> None:
        """Until cancelled; raises what `renew` raises."""
        while True:
            await asyncio.sleep(self._period_s)
            if self._held:
                await self._renew(list(self._held.values()))
