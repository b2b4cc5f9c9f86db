"""One client's connection: frames in, calls run, replies out in the order in which they are ready."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

from rrjobs.errors import FrameTooLong, ProtocolError, RpcError, RRJobsError
from rrjobs.protocol.frame import ERROR, Frame, FrameParser, rpc_frame, unpack_u32
from rrjobs.rpc.codec import BY_FLAGS, Codec
from rrjobs.rpc.method import MethodTable
from rrjobs.runtime.address import TcpAddress

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""A batch of 500 jobs of 64 KiB fits twice; more would only be memory held for one client."""

MAX_SKIPPED_BYTES = 1024 * 1024 * 1024
"""A call beyond MAX_FRAME_BYTES is answered with an error and read past, up to here; then the connection closes."""

MAX_WAITING_CALLS = 64
"""Calls of one connection that may wait at once; past it the connection is not read."""

MAX_NAME_BYTES = 256
RPC_HEAD = 0x15
RPC_HEADER_BYTES = 20

Done = Callable[[bytes | BaseException], None]


class Calls(Protocol):
    """Where calls live that have to wait: they outlive the connection they came from."""

    def adopt(self, call: Coroutine[Any, Any, bytes], waited: object, done: Done) -> None:
        """Finish a call in a task: one whose first step stopped at `waited`, or a fresh one when that is NOT_BEGUN."""
        ...

    def broken(self, method: str, err: Exception) -> None:
        """A handler raised what it should not: a bug, reported here, answered as an internal error."""
        ...

    def refused(self, peer: str, reason: str) -> None:
        """A connection is closed because of what came on it."""
        ...


class Roster(Protocol):
    """Who is connected."""

    def came(self, connection: "Connection") -> bool:
        """A client connected; False when there are too many: it is closed at once."""
        ...

    def left(self, connection: "Connection") -> None:
        """It is gone."""
        ...


NOT_BEGUN = object()


class Connection(asyncio.Protocol):
    """State of one connection: its frame parser, the calls that wait, and what keeps it from reading on."""

    def __init__(self, methods: MethodTable, calls: Calls, roster: Roster) -> None:
        self._methods = methods
        self._calls = calls
        self._roster = roster
        self._parser = FrameParser(MAX_FRAME_BYTES)
        self._unread: deque[Frame] = deque()
        self._waiting = 0
        self._full = False
        self._reading = True
        self._closing = False
        self._held_bytes = 0
        self._skip_bytes = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one only in its shape
        if not self._roster.came(self):
            self._closing = True
            self._transport.abort()

    @property
    def peer(self) -> str:
        """Who it is, for the log."""
        name = self._transport.get_extra_info("peername")
        return str(TcpAddress(name[0], name[1])) if isinstance(name, tuple) else "unix"

    def connection_lost(self, exc: Exception | None) -> None:
        """The client went; its calls go on, their replies are dropped."""
        self._closing = True
        self._unread.clear()
        self._roster.left(self)

    def eof_received(self) -> bool:
        """The client will send no more: stay open while its calls wait for their replies."""
        self._closing = True
        return self._waiting > 0 or bool(self._unread)

    def pause_writing(self) -> None:
        """The client does not read its replies: take no more calls from it."""
        self._full = True
        self._pace()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._full = False
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Run every call that is complete now."""
        if self._closing:
            return
        if self._skip_bytes:
            self._skip_bytes, data = max(0, self._skip_bytes - len(data)), data[self._skip_bytes :]
        try:
            frames = self._parser.feed(data)
        except FrameTooLong as err:
            if self._run(self._parser.whole):
                self._skip(err)
        except ProtocolError as err:
            if self._run(self._parser.whole):
                self._refuse(str(err))
        else:
            self._run(frames)

    def _run(self, frames: list[Frame]) -> bool:
        """Begin calls, or keep them for later; False when one was no call and closed the connection."""
        if self._unread:
            self._unread.extend(frames)
            return True
        for index, frame in enumerate(frames):
            if self._full or self._waiting >= MAX_WAITING_CALLS:
                self._unread.extend(frames[index:])
                self._pace()
                return True
            if not self._begin(frame):
                return False
        return True

    def stalled(self) -> bool:
        """Whether the rest of a half frame is owed and nothing came since this was last asked."""
        held, self._held_bytes = self._held_bytes, self._parser.pending_bytes
        return 0 < held == self._held_bytes and self._reading

    def drop(self, reason: str) -> None:
        """Close for a reason that is reported."""
        self._refuse(reason)

    def close(self) -> None:
        """Close once the replies that are written are sent."""
        self._closing = True
        self._transport.close()

    def abort(self) -> None:
        """Close now, whatever was not sent."""
        self._transport.abort()

    def _begin(self, frame: Frame) -> bool:
        """Run one call as far as it gets without waiting; False when the frame is no call and closed the connection."""
        flags, _, options, payload = frame
        if len(options) != 2 or options[1] > len(payload):
            self._unread.clear()
            self._refuse("a frame that is no RPC call")
            return False
        sequence, cut = options
        name = payload[:cut]
        codecs = BY_FLAGS[flags]
        method = self._methods.by_name.get(name)
        if method is None:
            self._answer(sequence, name, codecs.reply, self._methods.missing(name))
            return True
        call = method.call(codecs, payload[cut:])
        waited: object = NOT_BEGUN
        if not method.waits:
            try:
                waited = call.send(None)
            except StopIteration as done:
                self._transport.write(rpc_frame(sequence, name, done.value, codecs.reply))
                return True
            except Exception as err:
                self._answer(sequence, name, codecs.reply, err)
                return True
        self._wait_for(call, waited, sequence, name, codecs.reply)
        return True

    def _skip(self, err: FrameTooLong) -> None:
        """Answer a call that is too long with an error, and read past it."""
        length = unpack_u32(err.begin, 2)[0]
        if err.begin[0] != RPC_HEAD or len(err.begin) < RPC_HEADER_BYTES or length > MAX_SKIPPED_BYTES:
            self._refuse(str(err))
            return
        sequence, cut = unpack_u32(err.begin, 12)[0], unpack_u32(err.begin, 16)[0]
        name = err.begin[RPC_HEADER_BYTES : RPC_HEADER_BYTES + min(cut, MAX_NAME_BYTES)]
        self._skip_bytes = RPC_HEADER_BYTES + length - len(err.begin)
        self._parser = FrameParser(MAX_FRAME_BYTES)
        text = RpcError(f"rpc: a call of {length} bytes is too long, at most {MAX_FRAME_BYTES} are taken")
        self._answer(sequence, name, BY_FLAGS[err.begin[1]].reply, text)

    def _wait_for(
        self, call: Coroutine[Any, Any, bytes], waited: object, sequence: int, name: bytes, codec: Codec
    ) -> None:
        def done(result: bytes | BaseException) -> None:
            self._waiting -= 1
            self._answer(sequence, name, codec, result)
            self._go_on()

        self._waiting += 1
        self._calls.adopt(call, waited, done)

    def _answer(self, sequence: int, name: bytes, codec: Codec, result: bytes | BaseException) -> None:
        if isinstance(result, bytes):
            reply = rpc_frame(sequence, name, result, codec)
        else:
            reply = rpc_frame(sequence, name, self._error_text(name, result), codec | ERROR)
        if not self._transport.is_closing():
            self._transport.write(reply)

    def _error_text(self, name: bytes, err: BaseException) -> bytes:
        if isinstance(err, asyncio.CancelledError):
            return b"rpc: the server is stopping"
        if isinstance(err, Exception) and not isinstance(err, RRJobsError):
            self._calls.broken(name.decode("utf-8", "replace"), err)
            return f"rpc: internal error: {type(err).__name__}".encode()
        return str(err).encode("utf-8", "replace")

    def _go_on(self) -> None:
        """Take up the calls that were held back, then read again."""
        while self._unread and not self._full and self._waiting < MAX_WAITING_CALLS:
            if not self._begin(self._unread.popleft()):
                return
        self._pace()
        if self._closing and not self._waiting and not self._unread:
            self._transport.close()

    def _pace(self) -> None:
        free = not (self._full or self._unread or self._waiting >= MAX_WAITING_CALLS)
        if free != self._reading and not self._transport.is_closing():
            self._reading = free
            if free:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _refuse(self, reason: str) -> None:
        """Nothing more is read; calls that came before finish, their replies are sent, then the connection closes."""
        self._calls.refused(self.peer, reason)
        self._closing = True
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()
        if not self._waiting and not self._unread:
            self._transport.close()
