"""Cuts what a worker sends into answers, errors and fences.

A program mostly gives the same small answer again and again: the last one is remembered whole, and needs no parsing.
"""

import os
from typing import Protocol
from zlib import crc32

from rrjobs.protocol.frame import CONTROL, ERROR, HEADER_BYTES, MAX_HEADER_WORDS, unpack_u32

REMEMBERED_BYTES = 256
_BIG_BYTES = 65536
_MAX_KNOWN_HEADERS = 256
STOP_REQUEST = b'{"stop":true}'
"""The context of an answer by which the program asks for its end."""

_NOTHING = os.urandom(32)
"""What no program sends."""


class AnswerTaker(Protocol):
    """The session. It may be stopped by any of these calls; then the rest of the bytes is not looked at."""

    stopped: bool

    def answered(self, flags: int, stream: int, context: bytes, body: bytes) -> None:
        """A data frame."""
        ...

    def errored(self, message: bytes) -> None:
        """An error frame."""
        ...

    def fence_passed(self) -> None:
        """An answer to a pid request."""
        ...

    def unreadable(self, reason: str) -> None:
        """Bytes that are no frame, or a frame that is no answer."""
        ...


class AnswerReader:
    """Bytes in by `feed`, cut anywhere. `pid_answer`: the bytes with which this worker answers every fence."""

    def __init__(self, taker: AnswerTaker) -> None:
        self.pid_answer = _NOTHING
        self._taker = taker
        self._buffer = b""
        self._big: bytearray | None = None
        self._needed = HEADER_BYTES
        self._headers: dict[bytes, tuple[int, int, int]] = {}
        self._last = _NOTHING
        self.usual_parts: tuple[int, int, bytes, bytes] = (0, 0, b"", b"")
        self._last_and_fence = _NOTHING
        self.usual = _NOTHING
        """What comes nearly always: the last answer again, with its fence. Whoever gets just that need not feed it."""

    def feed(self, data: bytes) -> None:
        """Add bytes, and hand over every frame that is whole now."""
        if self._big is not None:
            self._big += data
            if len(self._big) < self._needed:
                return
            data, self._big = bytes(self._big), None
        elif self._buffer:
            data = self._buffer + data
        self._buffer = b""
        position = self._consume(data)
        self.usual = self._last_and_fence
        if position < len(data) and not self._taker.stopped:
            self._keep(data[position:])

    def _consume(self, data: bytes) -> int:
        position, end = 0, len(data)
        self._needed = HEADER_BYTES
        taker, pid_answer = self._taker, self.pid_answer
        while end - position >= HEADER_BYTES:
            if data.startswith(self._last, position):
                position += len(self._last)
                taker.answered(*self.usual_parts)
            elif data.startswith(pid_answer, position):
                position += len(pid_answer)
                taker.fence_passed()
            else:
                length = self._frame(data, position, end)
                if not length:
                    break
                position += length
            if taker.stopped:
                break
        return position

    def _frame(self, data: bytes, position: int, end: int) -> int:
        """Hand over the frame that begins at `position`; its length, or 0 when it is not whole or not a frame."""
        head = data[position : position + 10]
        header = self._headers.get(head) or self._learn(head)
        if header is None:
            return 0
        words, flags, length = header
        if end - position < length:
            self._needed = length
            return 0
        payload_at = position + 4 * words
        if flags & ERROR:
            self._taker.errored(data[payload_at : position + length])
        elif flags & CONTROL or words != 4:
            self._taker.unreadable(f"a frame with flags {flags:#04x} and {words - 3} options is no answer")
        else:
            self._data_frame(data, position, payload_at, position + length, flags)
        return length

    def _data_frame(self, data: bytes, began: int, payload_at: int, end: int, flags: int) -> None:
        cut = payload_at + unpack_u32(data, began + 12)[0]
        if cut > end:
            self._taker.unreadable("the length of the context exceeds the payload")
            return
        parts = (flags, data[began + 10], data[payload_at:cut], data[cut:end])
        if end - began <= REMEMBERED_BYTES:
            self._last, self.usual_parts = data[began:end], parts
            usual = not parts[1] and parts[2] != STOP_REQUEST
            self._last_and_fence = self._last + self.pid_answer if usual else _NOTHING
        self._taker.answered(*parts)

    def _learn(self, head: bytes) -> tuple[int, int, int] | None:
        words = head[0] & 0x0F
        if not 3 <= words <= MAX_HEADER_WORDS or crc32(head[:6]) != unpack_u32(head, 6)[0]:
            self._taker.unreadable(f"bytes that are no frame: {head!r}")
            return None
        if len(self._headers) >= _MAX_KNOWN_HEADERS:
            self._headers.clear()
        header = self._headers[head] = (words, head[1], words * 4 + int(unpack_u32(head, 2)[0]))
        return header

    def _keep(self, rest: bytes) -> None:
        self.usual = _NOTHING
        if self._needed > max(len(rest), _BIG_BYTES):
            self._big = bytearray(rest)
        else:
            self._buffer = rest
