"""Messages that are ours only for a while (visibility timeout, ack wait, time to run), and are kept ours in time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

PART = 3.0
"""A lease is renewed when a third of it is over, so that one failed renewal costs nothing."""


class Leases(Generic[T]):
    """What is held; every third of `lease_s` all of it is renewed by the task in `run`.

    A handle that came just before a renewal is renewed early; none is ever renewed late. Where handles outlive their
    connection, the leases do too.
    """

    def __init__(self, lease_s: float) -> None:
        self._period_s = lease_s / PART
        self._held: dict[str, T] = {}

    def lease(self, lease_s: float) -> None:
        """How long a lease is, where only a connection can tell."""
        self._period_s = lease_s / PART

    def add(self, identity: str, handle: T) -> bool:
        """From now on; a later handle of the same message takes the place of the earlier one. Whether it was new."""
        new = identity not in self._held
        self._held[identity] = handle
        return new

    def discard(self, identity: str) -> None:
        """It is settled; safe twice."""
        self._held.pop(identity, None)

    def __len__(self) -> int:
        return len(self._held)

    async def run(self, renew: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        """Until cancelled; raises what `renew` raises."""
        while True:
            await asyncio.sleep(self._period_s)
            if self._held:
                await renew(list(self._held.values()))
