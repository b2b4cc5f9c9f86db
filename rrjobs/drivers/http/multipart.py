"""A parser for multipart/form-data that takes bytes as they come; every split gives the same parts.

preamble --delimiter--> head --empty line--> data --delimiter--> head ... --final delimiter--> epilogue
"""

from typing import Protocol

from rrjobs.drivers.http.forms import FormError
from rrjobs.drivers.http.part_head import PartHead, read_part_head

MAX_PARTS = 1000
MAX_HEAD_BYTES = 16_384
_MAX_PADDING_BYTES = 256

_PREAMBLE, _HEAD, _DATA, _EPILOGUE = range(4)
_NEXT, _FINAL, _UNDECIDED, _NOT_ONE = range(4)


class TooManyParts(FormError):
    """More parts than a form may have."""


class PartTaker(Protocol):
    """Gets the parts in order: `part_begins`, any number of `part_data`, `part_ends`."""

    def part_begins(self, head: PartHead) -> None:
        """The head of a part."""
        ...

    def part_data(self, data: bytes) -> None:
        """Some of its content."""
        ...

    def part_ends(self) -> None:
        """Its end."""
        ...


class MultipartParser:
    """Cuts a body at its boundary. `feed` and `finish` raise FormError on what is no multipart body."""

    def __init__(self, boundary: bytes, taker: PartTaker) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._taker = taker
        self._state = _PREAMBLE
        self._parts = 0
        self._borrowed = 2
        """Bytes at the front of the buffer that the client did not send."""
        self._buffer = b"\r\n"  # the first delimiter may stand at the very beginning, without a line end before it

    def feed(self, data: bytes) -> None:
        """The next bytes of the body."""
        if self._state == _EPILOGUE:
            return
        self._buffer = self._buffer + data if self._buffer else data
        while self._step():
            pass

    def finish(self) -> None:
        """The end of the body."""
        if self._state != _EPILOGUE:
            raise FormError("multipart: NextPart: unexpected EOF")

    def _step(self) -> bool:
        """Take one thing off the buffer; False when more bytes are needed."""
        if self._state == _EPILOGUE:
            self._buffer = b""
            return False
        if self._state == _HEAD:
            return self._head()
        return self._data()

    def _head(self) -> bool:
        buffer = self._buffer
        if buffer.startswith(b"\r\n"):
            block, rest = b"", 2
        else:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(buffer) > MAX_HEAD_BYTES:
                    raise FormError("multipart: the head of a part is too long")
                return False
            block, rest = buffer[:end], end + 4
        self._buffer = b"\r\n" + buffer[rest:]  # a part without content may end in a delimiter without a line end
        self._borrowed = 2
        self._state = _DATA
        self._taker.part_begins(read_part_head(block))
        return True

    def _data(self) -> bool:
        """Content, or the preamble, up to the next delimiter or what may be the beginning of one."""
        buffer = self._buffer
        start = 0
        while True:
            found = buffer.find(self._delimiter, start)
            if found < 0:
                self._emit(max(0, len(buffer) - len(self._delimiter) + 1))
                return False
            behind = found + len(self._delimiter)
            verdict, end = _behind_delimiter(buffer, behind)
            if verdict == _NOT_ONE:
                start = found + 1
                continue
            self._emit(found)
            if verdict == _UNDECIDED:
                return False
            self._close_part(end - found, final=verdict == _FINAL)
            return True

    def _emit(self, end: int) -> None:
        """Hand over the content before `end`, and let the buffer begin there."""
        content = self._buffer[self._borrowed : end]
        self._borrowed = max(0, self._borrowed - end)
        self._buffer = self._buffer[end:]
        if content and self._state == _DATA:
            self._taker.part_data(content)

    def _close_part(self, size: int, *, final: bool) -> None:
        self._buffer = self._buffer[size:]
        self._borrowed = 0
        if self._state == _DATA:
            self._taker.part_ends()
        self._state = _EPILOGUE if final else _HEAD
        if not final:
            self._parts += 1
            if self._parts > MAX_PARTS:
                raise TooManyParts("multipart: message too large")


def _behind_delimiter(buffer: bytes, position: int) -> tuple[int, int]:
    """What the bytes behind a boundary make of it, and where they end."""
    if buffer.startswith(b"--", position):
        return _FINAL, position + 2
    end = position
    while buffer[end : end + 1] in (b" ", b"\t") and end - position < _MAX_PADDING_BYTES:
        end += 1
    if buffer.startswith(b"\r\n", end):
        return _NEXT, end + 2
    if len(buffer) - end < 2 and buffer[end:] in (b"", b"\r", b"-"):
        return _UNDECIDED, end
    return _NOT_ONE, end
