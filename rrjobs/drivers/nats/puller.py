"""Pulls messages of one consumer, as many as there is room for.

A pull asks for a number of messages and stands for a while; each message, or the end of the pull, takes from what was
asked. Asked and held together never pass the limit.
"""

import asyncio
from collections.abc import Callable
from itertools import count

import orjson
from nats.aio.client import Client as NatsClient
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from rrjobs.errors import ConnectionLost

STANDS_S = 30.0
"""How long one pull stands."""


class Puller:
    """`arrived(msg)` must not block. `broken` is called with the reason when the consumer is gone.

    `held`: what an earlier connection received and is not settled.
    """

    def __init__(
        self,
        nc: NatsClient,
        stream: str,
        consumer: str,
        limit: int,
        arrived: Callable[[Msg], None],
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
        self._deadlines: dict[str, float] = {}
        self._numbers = count()
        self._held = held
        self._subscription: Subscription | None = None
        self._wake = asyncio.Event()

    async def start(self) -> None:
        """Raises ConnectionLost."""
        try:
            self._subscription = await self._nc.subscribe(
                f"{self._inbox}.*", cb=self._received, pending_msgs_limit=-1, pending_bytes_limit=-1
            )
        except NatsError as err:
            raise ConnectionLost(str(err)) from err
        self._wake.set()

    async def run(self) -> None:
        """Ask whenever there is room for enough, until cancelled. Raises ConnectionLost."""
        loop = asyncio.get_running_loop()
        while True:
            self._forget_old(loop.time())
            asked = sum(self._pulls.values())
            room = self._limit - self._held - asked
            if room > 0 and (room >= max(1, self._limit // 4) or not asked):
                await self._pull(room, loop.time())
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
            await subscription.drain()  # type: ignore[no-untyped-call]
        except NatsError as err:
            raise ConnectionLost(str(err)) from err
        self._pulls.clear()

    def settled(self) -> None:
        """One that had arrived is no longer ours."""
        self._held -= 1
        self._wake.set()

    async def _pull(self, number: int, now: float) -> None:
        reply = f"{self._inbox}.{next(self._numbers)}"
        self._pulls[reply] = number
        self._deadlines[reply] = now + STANDS_S + 5
        body = orjson.dumps({"batch": number, "expires": int(STANDS_S * 1e9)})
        try:
            await self._nc.publish(self._api, body, reply=reply)
        except NatsError as err:
            raise ConnectionLost(str(err)) from err

    async def _received(self, msg: Msg) -> None:
        """A message has the subject it was published to, the end of a pull that of the pull."""
        if msg.reply.startswith("$JS.ACK."):
            self._less(next(iter(self._pulls), ""), 1)  # the server fills the oldest pull first
            self._held += 1
            self._arrived(msg)
        else:
            self._status(msg)

    def _less(self, reply: str, number: int) -> None:
        left = self._pulls.get(reply, 0) - number
        if left > 0:
            self._pulls[reply] = left
        else:
            self._pulls.pop(reply, None)
            self._deadlines.pop(reply, None)

    def _status(self, msg: Msg) -> None:
        """The end of a pull, whatever the reason: what it asked for does not come."""
        headers = msg.headers or {}
        status, text = headers.get("Status", ""), headers.get("Description", "")
        if status == "100":
            return
        self._pulls.pop(msg.subject, None)
        self._deadlines.pop(msg.subject, None)
        if status == "503" or (status == "409" and "delete" in text.lower()):
            self._broken(f"{self._what} is gone: {text or 'no responders'}")
        self._wake.set()

    def _forget_old(self, now: float) -> None:
        """A pull whose end was lost."""
        for reply in [reply for reply, deadline in self._deadlines.items() if deadline < now]:
            self._pulls.pop(reply, None)
            del self._deadlines[reply]
