"""One connection to beanstalkd: commands are written at once, replies come back in their order.

Source of the protocol: doc/protocol.txt of beanstalkd.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, NamedTuple, cast

from rrjobs.errors import ConnectionLost
from rrjobs.runtime.address import TcpAddress, UnixAddress

_WITH_BODY = frozenset({b"RESERVED", b"FOUND", b"OK"})
MAX_LINE = 4096
MAX_BODY = 2**31


class Reply(NamedTuple):
    """The word of a reply, what follows it on its line, and its body where it has one."""

    word: bytes
    args: tuple[bytes, ...] = ()
    body: bytes = b""


Done = Callable[[Reply], None]
"""Told the reply; not called when the connection is lost before."""


class Wire(asyncio.Protocol):
    """Made by `open_wire`. `gone` is done with the reason when the connection is lost or closed."""

    def __init__(self, lost: Callable[[str], None]) -> None:
        self.waits = False
        self.held = 0
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._pending: deque[Done] = deque()
        self._heard = 0.0
        self._futures: set[asyncio.Future[Any]] = set()
        self._buffer = b""
        self._out: list[bytes] = []
        self._reading = False
        self._closed = ""
        self._loop = asyncio.get_running_loop()

    def send(self, command: bytes, done: Done) -> None:
        """Write a command with everything else of this turn. Raises ConnectionLost."""
        self.send_all(command, 1, done)

    def send_all(self, commands: bytes, count: int, done: Done) -> None:
        """Write so many commands; `done` is told the reply to each. Raises ConnectionLost."""
        if self._closed:
            raise ConnectionLost(self._closed)
        if not self._out and not self._reading:
            self._loop.call_soon(self._flush)
        if not self._pending:
            self._heard = self._loop.time()
        self._pending.extend(repeat(done, count))
        self._out.append(commands)

    def ask(self, command: bytes) -> "asyncio.Future[Reply]":
        """The same as a future, which fails with ConnectionLost."""
        future: asyncio.Future[Reply] = self._promise()
        self.send(command, lambda reply: None if future.done() else future.set_result(reply))
        return future

    def ask_all(self, commands: Sequence[bytes]) -> "asyncio.Future[list[Reply]]":
        """The replies to at least one command, in their order, once all are there. Fails with ConnectionLost."""
        future: asyncio.Future[list[Reply]] = self._promise()
        replies: list[Reply] = []
        count = len(commands)

        def done(reply: Reply) -> None:
            replies.append(reply)
            if len(replies) == count and not future.done():
                future.set_result(replies)

        self.send_all(b"".join(commands), count, done)
        return future

    def _promise(self) -> "asyncio.Future[Any]":
        """A future that fails when the connection is lost. Raises ConnectionLost."""
        if self._closed:
            raise ConnectionLost(self._closed)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future

    def give_up(self, patience_s: float) -> None:
        """End it when it has owed a reply and sent nothing for so long: a frozen server, a link that loses bytes."""
        if self._pending and not self._closed and self._loop.time() - self._heard > patience_s:
            self._broken(f"beanstalkd has not answered for {patience_s:g} s")

    def close(self) -> None:
        """Jobs that it holds are ready again at once. Safe twice."""
        if self._transport is not None and not self._closed:
            self._flush()
            self._end("the connection was closed")
            self._transport.close()

    def abort(self) -> None:
        """The same without a word more."""
        if self._transport is not None and not self._closed:
            self._end("the connection was closed")
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        if not self._closed:
            reason = str(exc) if exc else "beanstalkd closed the connection"
            self._end(reason)
            self._lost(reason)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._heard = self._loop.time()
        buffer = self._buffer + data if self._buffer else data
        at = 0
        self._reading = True
        try:
            while (found := _reply(buffer, at)) is not None:
                reply, at = found
                if not self._pending:
                    raise ValueError("nothing was asked")
                self._pending.popleft()(reply)
        except ValueError as err:
            self._broken(f"beanstalkd sent what is no reply: {err}")
            return
        finally:
            self._reading = False
        self._buffer = buffer[at:] if at else buffer
        self._flush()  # what the replies led to: at the end of this turn already, not of the next one

    def _flush(self) -> None:
        if self._out and self._transport is not None and not self._closed:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _broken(self, reason: str) -> None:
        assert self._transport is not None
        self._end(reason)
        self._transport.abort()
        self._lost(reason)

    def _end(self, reason: str) -> None:
        self._closed = reason
        self._pending.clear()
        self._out.clear()
        for future in list(self._futures):
            if not future.done():
                future.set_exception(ConnectionLost(reason))


def _reply(buffer: bytes, at: int) -> tuple[Reply, int] | None:
    """The reply at a place and where it ends; None when it is not whole yet. Raises ValueError."""
    end = buffer.find(b"\r\n", at)
    if end < 0:
        if len(buffer) - at > MAX_LINE:
            raise ValueError("a line without an end")
        return None
    word, *args = buffer[at:end].split(b" ")
    if word not in _WITH_BODY:
        return Reply(word, tuple(args)), end + 2
    size = int(args[-1]) if args else -1
    if not 0 <= size <= MAX_BODY:
        raise ValueError(f"a body of {size} bytes")
    start = end + 2
    if len(buffer) < start + size + 2:
        return None
    if buffer[start + size : start + size + 2] != b"\r\n":
        raise ValueError("a body of another length than said")
    return Reply(word, tuple(args[:-1]), buffer[start : start + size]), start + size + 2


async def open_wire(address: TcpAddress | UnixAddress, lost: Callable[[str], None]) -> Wire:
    """Connect; raises OSError. `lost(reason)` is called when it ends by itself."""
    loop = asyncio.get_running_loop()
    if isinstance(address, UnixAddress):
        return (await loop.create_unix_connection(lambda: Wire(lost), address.path))[1]
    return (await loop.create_connection(lambda: Wire(lost), address.host, address.port))[1]
