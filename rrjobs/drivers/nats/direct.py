"""nats-py's client with two short cuts for what happens once for each message.

What is received on some subscriptions is handed over at once, without a queue, a task and parsed headers; and commands
are written by the turn of the event loop, without its flusher as long as the socket takes them. Both reach into the
library, whose version is bounded for that reason.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nats.aio.client import Client as NatsClient
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.errors import ConnectionClosedError
from nats.errors import Error as NatsError

from rrjobs.drivers.nats.parsing import DirectParser, Message

VERSION_LINE = b"NATS/1.0"
FLUSH_S = 10
MOST_UNWRITTEN_BYTES = 2**20
"""Whoever writes waits from there on, until the socket has taken it."""


class Incoming(NamedTuple):
    """What was received; `head` are its headers as they came, empty without any."""

    subject: str
    reply: str
    data: bytes
    head: bytes = b""

    def headers(self) -> dict[str, list[str]]:
        """All values of each name; an inline status is under `Status`, its text under `Description`."""
        return parse_headers(self.head) if self.head else {}

    def header(self, name: str) -> str:
        """Its last value, empty without one."""
        return self.headers().get(name, ("",))[-1]


Take = Callable[[Incoming], None]
"""Must not block."""


class DirectClient(NatsClient):
    """A `Client` of the library. With `secure` nothing is sent to a server in clear, whatever the scheme."""

    def __init__(self, *, secure: bool = False) -> None:
        super().__init__()
        self._secure = secure
        self._takers: dict[int, Take] = {}
        self._due = False
        self._ps = DirectParser(self, self._taken)

    async def listen(self, subject: str, take: Take) -> Subscription:
        """Subscribe. Raises the library's errors."""
        subscription = await self.subscribe(subject)
        self._takers[subscription._id] = take
        return subscription

    async def unlisten(self, subscription: Subscription) -> None:
        """Once it returns, all that the server sent has been handed over. Raises the library's errors."""
        await subscription.drain()  # type: ignore[no-untyped-call]
        self._takers.pop(subscription._id, None)

    async def write(self, commands: bytes) -> None:
        """Whole commands of the protocol, with what else is written in this turn. Raises ConnectionClosedError."""
        if not self.is_connected:
            raise ConnectionClosedError
        self._pending.append(commands)
        self._pending_data_size += len(commands)
        if self._pending_data_size > MOST_UNWRITTEN_BYTES:
            await self._flush_pending(force_flush=True)
        elif self._due:
            return
        elif (socket := self._socket) is None or socket.get_write_buffer_size():
            if self._flush_queue is not None and self._flush_queue.empty():
                await self._flush_pending()  # the library's task waits until there is room
        else:
            self._due = True
            asyncio.get_running_loop().call_soon(self._write_out)

    @property
    def _socket(self) -> asyncio.WriteTransport | None:
        """What can be written to at once; None where the library frames what it sends."""
        transport = self._transport
        writer = transport._io_writer if isinstance(transport, TcpTransport) else None
        return writer.transport if writer is not None else None

    def _write_out(self) -> None:
        """All that was written in this turn, and what the library holds of before."""
        self._due = False
        socket = self._socket
        if self._pending and socket is not None and not socket.is_closing():
            commands, self._pending, self._pending_data_size = self._pending, [], 0
            socket.write(b"".join(commands))

    async def flush(self, timeout: int = FLUSH_S) -> None:  # noqa: ASYNC109 - the library's
        """The server has everything that was written. The library alone asks ahead of what waits."""
        await self._flush_pending(force_flush=True)
        await super().flush(timeout)

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """The server has introduced itself. The library speaks TLS only where the server insists on it."""
        if initial_connection:
            self._ask_for_tls(info)
        await super()._process_info(info, initial_connection)

    def _ask_for_tls(self, info: dict[str, Any]) -> None:
        uri = self._current_server.uri if self._current_server else None
        if uri is None or uri.scheme == "wss" or not (self._secure or uri.scheme == "tls"):
            return
        if uri.scheme == "ws" or not (info.get("tls_required") or info.get("tls_available")):
            raise NatsError("it has no TLS on this port, and `nats` asks for it (tls:// in `addr`, or `tls`)")
        info["tls_required"] = True

    async def _process_op_err(self, e: Exception) -> None:
        """The link is broken. The library would send what waits, fail at that, and never call `disconnected_cb`."""
        self._pending, self._pending_data_size = [], 0
        await super()._process_op_err(e)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        """Called by the library's parser, for what ours has left to it."""
        try:
            if not self._taken(Message(sid, subject, reply, headers or b"", data)):
                await super()._process_msg(sid, subject, reply, data, headers)
        except Exception as err:
            await self._error_cb(err)  # as the library: raised from here, it would end its reading in silence

    def _taken(self, message: Message) -> bool:
        """Whether it was for one who listens; raises what that raises."""
        take = self._takers.get(message.sid)
        if take is None:
            return False
        take(Incoming(message.subject.decode(), message.reply.decode(), message.data, message.head))
        return True


def publication(subject: str, reply: bytes, data: bytes, head: bytes = b"") -> bytes:
    """The command that publishes."""
    if head:
        return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject.encode(), reply, len(head), len(head) + len(data), head, data)
    return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply, len(data), data)


def head_of(headers: Mapping[str, Sequence[str]]) -> bytes:
    """The headers as they travel, a line for each value; line ends in them become spaces."""
    lines = [VERSION_LINE]
    for name, values in headers.items():
        lines += (f"{name}: {value}".replace("\r", " ").replace("\n", " ").encode() for value in values)
    return b"\r\n".join((*lines, b"", b""))


def parse_headers(head: bytes) -> dict[str, list[str]]:
    """See Incoming; what is no header is passed over."""
    first, *lines = head.split(b"\r\n")
    status, _, text = first.removeprefix(VERSION_LINE).strip().partition(b" ")
    found = {"Status": [status.decode(errors="replace")]} if status else {}
    if text:
        found["Description"] = [text.strip().decode(errors="replace")]
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon and name:
            found.setdefault(name.decode(errors="replace"), []).append(value.strip().decode(errors="replace"))
    return found
