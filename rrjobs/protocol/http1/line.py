"""The transport side of a connection: what is written, whether it is read, how it ends."""

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import sys
import termios

from rrjobs.protocol.http1.limits import FEED_BYTES, LINGER_S, Limits

FULL, SINK, PARKED = 1, 2, 4
"""Why a connection is not read: enough requests are waiting, a body sink is full, the server has too many clients."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_UNKNOWN = -1


class Line(asyncio.Protocol):
    """Flow control in both directions, and the ways to close.

    `ending`: the answer under way is the last. `closing`: it was sent. `deaf`: what the client sends is not looked at.
    `since`: when the present phase began, by the server's coarse clock. `stalled_bytes`: written while nobody read.
    """

    __slots__ = (
        "_drained_bytes",
        "_held",
        "_lingering",
        "_transport",
        "_unfed",
        "_unsent_at_first",
        "closing",
        "deaf",
        "ending",
        "since",
        "stalled",
        "stalled_bytes",
    )

    _transport: asyncio.Transport

    def __init__(self, now: float) -> None:
        self._held = 0
        self._unfed = b""
        self._lingering = False
        self._unsent_at_first = 0
        self._drained_bytes = 0
        self.since = now
        self.ending = False
        self.closing = False
        self.deaf = False
        self.stalled = False
        self.stalled_bytes = 0

    def parse(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the client; what is called by this may hold the line."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Parse it in pieces, up to where somebody holds the line."""
        if self.deaf:
            return
        if self._held:
            self._unfed += data
        elif len(data) <= FEED_BYTES:
            self.parse(data)
        else:
            self._parse_pieces(data)

    def _parse_pieces(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(data), FEED_BYTES):
            self.parse(view[start : start + FEED_BYTES])
            if self._held:
                self._unfed = data[start + FEED_BYTES :]
                return
            if self.deaf:
                return

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""
        if self.stalled:
            self.stalled_bytes += len(data)
        self._transport.write(data)

    def hold(self, reason: int) -> None:
        """Stop reading for one reason more."""
        if not self._held and not self._transport.is_closing():
            self._transport.pause_reading()
        self._held |= reason

    def release(self, reason: int) -> None:
        """One reason less; read again after the last."""
        if not self._held & reason:
            return
        self._held &= ~reason
        if not self._held:
            self.read_on()

    def read_on(self) -> None:
        """First what was received and not parsed yet, from a fresh call stack; then let the transport read again."""
        if self._unfed:
            asyncio.get_running_loop().call_soon(self._parse_unfed)
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    def _parse_unfed(self) -> None:
        if self._held:
            return
        data, self._unfed = self._unfed, b""
        self.data_received(data)
        if not self._held:
            self.read_on()

    def mark_stalled(self) -> None:
        """The client stopped reading: remember how much it has yet to take."""
        self.stalled = True
        self._measure_from_here()

    def mark_reading(self) -> None:
        """It took enough for now."""
        self.stalled = False
        self.stalled_bytes = 0

    def finish(self, now: float, *, linger: bool) -> None:
        """Close behind what was written. With `linger` the client may go on sending for a moment: a close with
        unread bytes is a reset, which would take our answer away from it.
        """
        self.closing = self.deaf = True
        self.since = now
        if not self.stalled:
            self._unsent_at_first = _UNKNOWN
        if linger and self._transport.can_write_eof() and not self._transport.is_closing():
            self._lingering = True
            self._transport.write_eof()
            if self._held:
                self._held = 0
                self.read_on()
        else:
            self._transport.close()

    def reset(self) -> None:
        """Close at once, with a TCP reset, so that the end cannot be taken for the end of an answer."""
        self.closing = self.deaf = True
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            with socket.socket(sock.family, sock.type, 0, fileno=os.dup(sock.fileno())) as twin:
                twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def close_idle(self) -> None:
        """Close where no answer is due."""
        self.closing = self.deaf = True
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def abort(self) -> None:
        """Close now, whatever is under way."""
        self.deaf = self.closing = True
        self._transport.abort()

    def check_writing(self, now: float, limits: Limits) -> bool:
        """Whether only the client is waited for; cuts one that took nothing for too long."""
        if not (self.stalled or self.closing):
            return False
        if self._unsent_at_first == _UNKNOWN:
            self._measure_from_here()
        drained = self._unsent_at_first + self.stalled_bytes - self._unsent()
        if drained > self._drained_bytes and not self._lingering:
            self._drained_bytes = drained
            self.since = now
        if now - self.since - limits.tick_s >= (LINGER_S if self._lingering else limits.write_timeout_s):
            self._transport.abort()
        return True

    def _measure_from_here(self) -> None:
        self.stalled_bytes = 0
        self._drained_bytes = 0
        self._unsent_at_first = self._unsent()

    def _unsent(self) -> int:
        """Bytes the client has not taken: ours and the kernel's, which may be megabytes."""
        queued = bytearray(4)
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            with contextlib.suppress(OSError):
                fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, queued)
        return self._transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)
