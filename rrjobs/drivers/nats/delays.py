"""Jobs that wait for their time: on a subject of their own in the same stream, moved to the pipeline's when due.

Each is looked at once when it arrives, then nak'ed with what is left of its delay, so that NATS keeps the time, for
years if need be. What is due is published to the pipeline's subject, confirmed, and then taken out here. The copy has
the number of the original as its message id: a second move of a job within NATS's window for duplicates is none.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from nats.errors import Error as NatsError

from rrjobs.drivers.nats.direct import DirectClient, Incoming, publication
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
Remove = Callable[[Sequence[int]], Awaitable[None]]


def due_headers(headers: Mapping[str, Sequence[str]] | None, delay_s: float) -> dict[str, Sequence[str]]:
    """Those of a job that waits."""
    return {**(headers or {}), DUE: [f"{time.time() + delay_s:.3f}"]}


class Mover:
    """One per connection that consumes. `remove` takes messages out of the stream by their numbers."""

    def __init__(
        self,
        nc: DirectClient,
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
        self._due: asyncio.Queue[Incoming] = asyncio.Queue()
        self._early: asyncio.Queue[tuple[Incoming, float]] = asyncio.Queue()
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

    def _arrived(self, incoming: Incoming) -> None:
        left_s = _due_at(incoming) - time.time()
        if left_s > EARLY_S:
            self._early.put_nowait((incoming, left_s))
        else:
            self._due.put_nowait(incoming)

    async def _send_back(self) -> None:
        while True:
            incoming, left_s = await self._early.get()
            await self._answer(((incoming.reply, nak_in(left_s)),))

    async def _move(self) -> None:
        while True:
            batch = [await self._due.get()]
            while not self._due.empty() and len(batch) < 100:
                batch.append(self._due.get_nowait())
            try:
                await self._publish([self._copy(one) for one in batch])
            except PushRefused:
                for one in batch:
                    self._early.put_nowait((one, AGAIN_S))
                continue
            await self._answer([(one.reply, ACK) for one in batch])
            await self._remove([receipt_of(one.reply).sequence for one in batch])

    async def _answer(self, answers: Sequence[tuple[str, bytes]]) -> None:
        try:
            await self._nc.write(b"".join([publication(reply, b"", word) for reply, word in answers]))
        except NatsError as err:
            raise ConnectionLost(str(err)) from err
        self._puller.settled(len(answers))

    def _copy(self, incoming: Incoming) -> Message:
        headers = {name: values for name, values in incoming.headers().items() if name != DUE}
        headers[MESSAGE_ID] = [f"{self._stream}-{receipt_of(incoming.reply).sequence}"]
        return Message(self._subject, incoming.data, headers)


def _due_at(incoming: Incoming) -> float:
    try:
        return float(incoming.header(DUE) or 0)
    except ValueError:
        return 0.0
