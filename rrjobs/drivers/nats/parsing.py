"""Reads messages that have arrived whole without the library's parser, which copies and searches all that it holds."""

from collections.abc import Callable
from typing import Any, NamedTuple

from nats.errors import ProtocolError
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

KINDS = (b"MSG ", b"HMSG ")
MOST_KEPT_BYTES = 64 * 1024
"""A message that is longer, and has not come whole, is the library's: it appends where this copies."""


class Message(NamedTuple):
    """One for the subscription `sid`; `head` are its headers as they came, empty without any. `end`: where
    it ends in what was read.
    """

    sid: int
    subject: bytes
    reply: bytes
    head: bytes
    data: bytes
    end: int = 0


Take = Callable[[Message], bool]
"""Must not block; False for what the library itself subscribed to."""


class DirectParser(Parser):
    """A `Parser` of the library: all that is no whole message of ours is left to it."""

    def __init__(self, nc: Any, take: Take) -> None:
        super().__init__(nc)
        self._take = take

    async def parse(self, data: bytes = b"") -> None:
        """Called by the library with what was read."""
        if self.state == AWAITING_CONTROL_LINE:
            if self.buf:
                data = bytes(self.buf) + data
                self.buf.clear()
            data = await self._left(data)
            if not data:
                return
        await super().parse(data)

    async def _left(self, data: bytes) -> bytes:
        """What the library has to read. The begin of a message of ours is kept until the rest has come."""
        at = 0
        while (message := message_at(data, at)) is not None:
            try:
                if not self._take(message):
                    return data[at:]
            except Exception as err:
                await self.nc._error_cb(err)  # raised from here, it would end the reading in silence
            at = message.end
        data = data[at:]
        if data.startswith(KINDS) and len(data) < MOST_KEPT_BYTES:
            self.buf += data
            return b""
        return data


def message_at(data: bytes, at: int) -> Message | None:
    """The message at a place; None when it is not whole, or is none. Raises ProtocolError."""
    if not data.startswith(KINDS, at):
        return None
    line = data.find(b"\r\n", at)
    if line < 0:
        return None
    kind, *words = data[at:line].split()
    sizes = words[2:] if len(words) == len(kind) else words[3:]  # MSG has three words or four, HMSG one more
    try:
        size, head_size = int(sizes[-1]), int(sizes[0]) if kind == b"HMSG" else 0
        sid = int(words[1])
    except (ValueError, IndexError) as err:
        raise ProtocolError("nats: malformed MSG") from err
    start = line + 2
    end = start + size
    if not 0 <= head_size <= size:
        raise ProtocolError("nats: malformed MSG")
    if len(data) < end + 2:
        return None
    body = start + head_size
    reply = words[2] if len(words) > len(kind) else b""
    return Message(sid, words[0], reply, data[start:body], data[body:end], end + 2)
