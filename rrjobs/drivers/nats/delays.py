"""Jobs that wait for their time: on a subject of their own in the same stream, moved to the pipeline's when due.

Each is looked at once when it arrives, then nak'ed with what is left of its delay, so that NATS keeps the time, for
years if need be. What is due is published to the pipeline's subject, confirmed, and then taken out here. The copy has
the number of the original as its message id: a second move of a job within NATS's window for duplicates is none.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

from nats.aio.client import Client as NatsClient
from nats.aio.msg import Msg

from rrjobs.drivers.nats.publisher import Message
from rrjobs.drivers.nats.puller import Puller
from rrjobs.drivers.nats.receipt import ACK, nak_in, receipt_of
from rrjobs.errors import ConnectionLost, PushRefused

DUE = "Rr-Due-At"
"""The header with the unix time in seconds at which a job is due."""

MESSAGE_ID = "Nats-Msg-Id"
LIMIT = 1000
EARLY_S = 0.01
AGAIN_S = 1.0

Publish = Callable[[Sequence[Message]], Awaitable[None]]
Remove = Callable[[int], Awaitable[None]]


def due_headers(headers: dict[str, str] | None, delay_s: float) -> dict[str, str]:
    """Those of a job that waits."""
    return {**(headers or {}), DUE: f"{time.time() + delay_s:.3f}"}


class Mover:
    """One per connection that consumes. `remove` takes a message out of the stream by its number."""

    def __init__(
        self,
        nc: NatsClient,
        stream: str,
        consumer: str,
        subject: str,
        publish: Publish,
        remove: Remove,
        broken: Callable[[str], None],
    ) -> None:
        self._nc = nc
        self._subject = subject
        self._stream = stream
        self._publish = publish
        self._remove = remove
        self._due: asyncio.Queue[Msg] = asyncio.Queue()
        self._early: asyncio.Queue[tuple[Msg, float]] = asyncio.Queue()
        self._puller = Puller(nc, stream, consumer, LIMIT, self._arrived, broken)

    async def run(self) -> None:
        """Until cancelled; raises ConnectionLost."""
        await self._puller.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._puller.run())
            group.create_task(self._send_back())
            group.create_task(self._move())

    async def stop(self) -> None:
        """Ask for no more. What is on its way is delivered again."""
        with contextlib.suppress(ConnectionLost):
            await self._puller.stop()

    def _arrived(self, msg: Msg) -> None:
        left_s = _due_at(msg) - time.time()
        if left_s > EARLY_S:
            self._early.put_nowait((msg, left_s))
        else:
            self._due.put_nowait(msg)

    async def _send_back(self) -> None:
        while True:
            msg, left_s = await self._early.get()
            await self._nc.publish(msg.reply, nak_in(left_s))
            self._puller.settled()

    async def _move(self) -> None:
        while True:
            batch = [await self._due.get()]
            while not self._due.empty() and len(batch) < 100:
                batch.append(self._due.get_nowait())
            try:
                await self._publish([self._copy(msg) for msg in batch])
            except PushRefused:
                for msg in batch:
                    self._early.put_nowait((msg, AGAIN_S))
                continue
            for msg in batch:
                await self._nc.publish(msg.reply, ACK)
                self._puller.settled()
            await asyncio.gather(*(self._remove(receipt_of(msg).sequence) for msg in batch))

    def _copy(self, msg: Msg) -> Message:
        headers = {name: value for name, value in (msg.headers or {}).items() if name != DUE}
        headers[MESSAGE_ID] = f"{self._stream}-{receipt_of(msg).sequence}"
        return Message(self._subject, msg.data, headers)


def _due_at(msg: Msg) -> float:
    try:
        return float((msg.headers or {}).get(DUE, "0"))
    except ValueError:
        return 0.0
