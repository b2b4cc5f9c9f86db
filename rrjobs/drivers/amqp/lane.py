"""One channel of our own on a tapped connection.

new --open--> open --Channel.Close from the broker, or the connection is lost--> closed
Calls (methods that are answered) go out one after the other; what passes once per message has no future and no task.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from pamqp import commands
from pamqp import frame as pamqp_frame
from pamqp.base import Frame

from rrjobs.drivers.amqp.frames import BODY, CHANNEL_CLOSE, HEADER, METHOD, Content, body_size, frame
from rrjobs.errors import ConnectionLost, DriverError


class ChannelClosed(DriverError):
    """The broker closed the channel; `code` and `text` are its words."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


class Wire(Protocol):
    """What a lane needs of its connection."""

    place: str
    frame_max: int

    def write(self, data: bytes) -> None:
        """Soon, together with all else that is written in this turn of the loop."""
        ...


class Lane:
    """Base of all lanes; handlers by the first four bytes of a method."""

    def __init__(self, wire: Wire, number: int) -> None:
        self.number = number
        self.closed: DriverError | None = None
        self.on_closed: Callable[[DriverError], None] = lambda err: None
        self._wire = wire
        self._calls: deque[asyncio.Future[Any]] = deque()
        self._handlers: dict[bytes, Callable[[bytes], None]] = {CHANNEL_CLOSE: self._close_came}
        self._content: Callable[[Content], None] | None = None
        self._header = b""
        self._missing = 0
        self._parts: list[bytes] = []

    async def open(self) -> None:
        """Raises ConnectionLost."""
        await self.call(commands.Channel.Open())

    async def close(self) -> None:
        """Tell the broker, and wait for its answer; safe on a closed one. Unsettled deliveries go back."""
        if self.closed is None:
            await self.call(commands.Channel.Close(reply_code=200, reply_text="", class_id=0, method_id=0))
            self.end(ConnectionLost("the channel was closed"))

    async def call(self, method: Frame) -> Any:
        """The answer. Raises ChannelClosed when the broker closes the channel instead, or ConnectionLost."""
        if self.closed is not None:
            raise self.closed
        answer = self._new_call()
        self._wire.write(pamqp_frame.marshal(method, self.number))
        return await answer

    def received(self, kind: int, payload: bytes) -> None:
        """See LaneEnd."""
        if kind == METHOD:
            handler = self._handlers.get(payload[:4])
            if handler is not None:
                handler(payload)
            else:
                self._answered(pamqp_frame.unmarshal(frame(METHOD, self.number, payload))[2])
        elif kind == HEADER:
            self._header = payload
            self._missing = body_size(payload)
            if not self._missing:
                self._whole(b"")
        elif kind == BODY:
            self._body_came(payload)

    def end(self, reason: DriverError) -> None:
        """Nothing passes any more. Safe twice."""
        if self.closed is not None:
            return
        self.closed = reason
        for call in self._calls:
            if not call.done():
                call.set_exception(reason)
        self._calls.clear()
        self.on_closed(reason)

    def _new_call(self) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls.append(answer)
        return answer

    def _body_came(self, payload: bytes) -> None:
        self._missing -= len(payload)
        if self._missing > 0:
            self._parts.append(payload)
        elif self._parts:
            self._parts.append(payload)
            body, self._parts = b"".join(self._parts), []
            self._whole(body)
        else:
            self._whole(payload)

    def _whole(self, body: bytes) -> None:
        content, self._content = self._content, None
        if content is not None:
            content(Content(self._header, body))

    def _answered(self, method: Any) -> None:
        if self._calls:
            call = self._calls.popleft()
            if not call.done():
                call.set_result(method)

    def _close_came(self, payload: bytes) -> None:
        method: Any = pamqp_frame.unmarshal(frame(METHOD, self.number, payload))[2]
        self._wire.write(pamqp_frame.marshal(commands.Channel.CloseOk(), self.number))
        self.end(ChannelClosed(method.reply_code, method.reply_text))
