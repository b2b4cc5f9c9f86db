"""Pulls messages of one consumer, as many as there is room for.

A pull asks for a number of messages and stands for a while; each message, or the end of the pull, takes from what was
asked. Asked and held together never pass the limit.
"""

import asyncio
from collections.abc import Callable
from itertools import count

import orjson
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from rrjobs.drivers.nats.direct import DirectClient, Incoming, publication
from rrjobs.errors import ConnectionLost

STANDS_S = 30.0
"""How long one pull stands."""


class Puller:
    """`arrived` must not block. `broken` is called with the reason when the consumer is gone.

    `held`: what an earlier connection received and is not settled.
    """

    def __init__(
        self,
        nc: DirectClient,
        stream: str,
        consumer: str,
        limit: int,
        arrived: Callable[[Incoming], None],
        broken: Callable[[str], None],
        held: int = 0,
    ) -> None:
        self._nc = nc
        self._api = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._what = f"consumer {consumer} of stream {stream}"
        self._limit = limit
        self._arrived = arrived
        self._broken = broken
        self._inbox = nc.new_inbox()
        self._pulls: dict[str, int] = {}
        self._asked = 0
        self._deadlines: dict[str, float] = {}
        self._numbers = count()
        self._held = held
        self._subscription: Subscription | None = None
        self._wake = asyncio.Event()

    async def start(self) -> None:
        """Raises ConnectionLost."""
        try:
            self._subscription = await self._nc.listen(f"{self._inbox}.*", self._received)
        except NatsError as err:
            raise ConnectionLost(str(err)) from err
        self._wake.set()

    async def run(self) -> None:
        """Ask whenever there is room for enough, until cancelled. Raises ConnectionLost."""
        loop = asyncio.get_running_loop()
        while True:
            self._forget_old(loop.time())
            if self._is_short:
                await self._pull(self._limit - self._held - self._asked, loop.time())
            self._wake.clear()
            try:
                async with asyncio.timeout(STANDS_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Once it returns nothing arrives any more: what the server sent before it knew has arrived."""
        subscription, self._subscription = self._subscription, None
        if subscription is None or self._nc.is_closed:
            return
        try:
            await self._nc.unlisten(subscription)
        except NatsError as err:
            raise ConnectionLost(str(err)) from err
        self._pulls.clear()
        self._asked = 0

    def settled(self, number: int) -> None:
        """So many that had arrived are no longer ours."""
        self._held -= number
        if self._is_short:
            self._wake.set()

    @property
    def _is_short(self) -> bool:
        """Whether there is room for enough to ask for it."""
        room = self._limit - self._held - self._asked
        return room > 0 and (room >= self._limit // 4 or not self._asked)

    async def _pull(self, number: int, now: float) -> None:
        reply = f"{self._inbox}.{next(self._numbers)}"
        self._pulls[reply] = number
        self._asked += number
        self._deadlines[reply] = now + STANDS_S + 5
        body = orjson.dumps({"batch": number, "expires": int(STANDS_S * 1e9)})
        try:
            await self._nc.write(publication(self._api, reply.encode(), body))
        except NatsError as err:
            raise ConnectionLost(str(err)) from err

    def _received(self, incoming: Incoming) -> None:
        """A message has the subject it was published to, the end of a pull that of the pull."""
        if incoming.reply.startswith("$JS.ACK."):
            self._less(next(iter(self._pulls), ""), 1)  # the server fills the oldest pull first
            self._held += 1
            self._arrived(incoming)
            if not self._asked:
                self._wake.set()
        else:
            self._status(incoming)

    def _less(self, reply: str, number: int) -> None:
        asked = self._pulls.get(reply, 0)
        self._asked -= min(asked, number)
        if asked > number:
            self._pulls[reply] = asked - number
        else:
            self._pulls.pop(reply, None)
            self._deadlines.pop(reply, None)

    def _status(self, incoming: Incoming) -> None:
        """The end of a pull, whatever the reason: what it asked for does not come."""
        status, text = incoming.header("Status"), incoming.header("Description")
        if status == "100":
            return
        self._over(incoming.subject)
        if status == "503" or (status == "409" and "delete" in text.lower()):
            self._broken(f"{self._what} is gone: {text or 'no responders'}")
        self._wake.set()

    def _over(self, reply: str) -> None:
        self._asked -= self._pulls.pop(reply, 0)
        self._deadlines.pop(reply, None)

    def _forget_old(self, now: float) -> None:
        """A pull whose end was lost."""
        for reply in [reply for reply, deadline in self._deadlines.items() if deadline < now]:
            self._over(reply)
