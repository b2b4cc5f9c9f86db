"""A lane in confirm mode: messages out, all mandatory, and what the broker says of each."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from pamqp import commands
from pamqp import frame as pamqp_frame

from rrjobs.drivers.amqp.frames import (
    ACK,
    METHOD,
    NACK,
    RETURN,
    Content,
    confirm_of,
    content_frames,
    frame,
    publish_method,
)
from rrjobs.drivers.amqp.lane import Lane, Wire
from rrjobs.drivers.amqp.properties import decode_header
from rrjobs.drivers.broker.attributes import ID
from rrjobs.errors import DriverError, PushRefused

MOST_KNOWN_KEYS = 1000
"""Method frames kept ready, one for each exchange and routing key."""


class Outgoing(NamedTuple):
    """A message and where it goes. `ident` is the `rr_id` in it."""

    exchange: str
    routing_key: str
    content: Content
    ident: str


class Batch:
    """Messages that one caller waits for. `unroutable` and `refused` are positions in it."""

    __slots__ = ("done", "left", "messages", "refused", "unroutable")

    def __init__(self, messages: Sequence[Outgoing]) -> None:
        self.messages = messages
        self.left = len(messages)
        self.unroutable: list[int] = []
        self.refused: list[int] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def failed(self) -> list[int]:
        """Positions of those that no queue has."""
        return sorted({*self.unroutable, *self.refused})


class PublishLane(Lane):
    """See the module. `was_alone`: when it was closed, a single message waited for its confirmation."""

    def __init__(self, wire: Wire, number: int) -> None:
        super().__init__(wire, number)
        self._handlers |= {ACK: self._acked, NACK: self._nacked, RETURN: self._returned}
        self.was_alone = True
        self._published = 0
        self._pending: dict[int, tuple[Batch, int]] = {}
        self._methods: dict[tuple[str, str], bytes] = {}

    async def open(self) -> None:
        """See Lane."""
        await super().open()
        await self.call(commands.Confirm.Select())

    async def publish(self, messages: Sequence[Outgoing]) -> Batch:
        """What became of them. Raises PushRefused when one cannot be written, or what closed the lane.

        Cancelled, whatever was sent may be accepted.
        """
        if self.closed is not None:
            raise self.closed
        batch = Batch(messages)
        frames = [self._frames(one) for one in messages]
        for position in range(len(messages)):
            self._published += 1
            self._pending[self._published] = (batch, position)
        self._wire.write(b"".join(frames) if len(frames) > 1 else frames[0])
        await batch.done
        return batch

    def end(self, reason: DriverError) -> None:
        """See Lane. Whoever waits is told."""
        if self.closed is not None:
            return
        self.was_alone = len(self._pending) <= 1
        pending, self._pending = self._pending, {}
        super().end(reason)
        for batch, _ in pending.values():
            if not batch.done.done():
                batch.done.set_exception(reason)

    def _frames(self, message: Outgoing) -> bytes:
        where = (message.exchange, message.routing_key)
        method = self._methods.get(where)
        if method is None:
            try:
                method = publish_method(self.number, *where)
            except ValueError as err:
                raise PushRefused(f"the routing key {message.routing_key[:40]!r}... {err}") from err
            if len(self._methods) > MOST_KNOWN_KEYS:
                self._methods.clear()
            self._methods[where] = method
        if len(message.content.header) > self._wire.frame_max - 8:
            size, most = len(message.content.header), self._wire.frame_max - 8
            raise PushRefused(f"the headers of job {message.ident} take {size} bytes, the broker allows {most}")
        return method + content_frames(self.number, message.content, self._wire.frame_max)

    def _acked(self, payload: bytes) -> None:
        number, multiple = confirm_of(payload)
        if not multiple:
            self._confirmed(number)
            return
        while self._pending and (first := next(iter(self._pending))) <= number:
            self._confirmed(first)

    def _confirmed(self, number: int) -> None:
        found = self._pending.pop(number, None)
        if found is not None:
            batch = found[0]
            batch.left -= 1
            if not batch.left and not batch.done.done():
                batch.done.set_result(None)

    def _nacked(self, payload: bytes) -> None:
        number, multiple = confirm_of(payload)
        numbers = [one for one in self._pending if one <= number] if multiple else [number]
        for one in numbers:
            if one in self._pending:
                batch, position = self._pending[one]
                batch.refused.append(position)
                self._confirmed(one)

    def _returned(self, payload: bytes) -> None:
        method: Any = pamqp_frame.unmarshal(frame(METHOD, self.number, payload))[2]
        self._content = partial(self._unroutable, method.exchange, method.routing_key)

    def _unroutable(self, exchange: str, routing_key: str, content: Content) -> None:
        """The broker returns a message before it confirms it; which one it is say its id and where it was sent."""
        ident = decode_header(content.header).headers.get(ID, "")
        for batch, position in self._pending.values():
            sent = batch.messages[position]
            if (sent.exchange, sent.routing_key, sent.ident) != (exchange, routing_key, ident):
                continue
            if position not in batch.unroutable:
                batch.unroutable.append(position)
                return
