"""What a worker prints: lines for the log, and the tail of it for the report of its end."""

import asyncio
import os
from collections.abc import Callable

TAIL_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024


class OutputReader:
    """Drains a pipe of the worker, so that it never blocks on printing. `on_line` gets each line without its end.

    A line longer than TAIL_BYTES is handed over in pieces. After `close` the tail stays readable.
    """

    def __init__(self, fd: int, loop: asyncio.AbstractEventLoop, on_line: Callable[[str], None]) -> None:
        self._fd = fd
        self._loop = loop
        self._on_line = on_line
        self._tail = bytearray()
        self._partial = b""
        os.set_blocking(fd, False)
        loop.add_reader(fd, self.drain)

    @property
    def tail(self) -> str:
        """The last 64 KiB printed."""
        return self._tail.decode("utf-8", "replace")

    def drain(self) -> None:
        """Take what is there now."""
        while self._fd >= 0:
            try:
                data = os.read(self._fd, _READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                return
            self._take(data)
            if len(data) < _READ_BYTES:
                return

    def close(self) -> None:
        """Hand over the last line; safe twice."""
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1
        if self._partial:
            partial, self._partial = self._partial, b""
            self._on_line(partial.decode("utf-8", "replace"))

    def _take(self, data: bytes) -> None:
        self._tail += data
        if len(self._tail) > TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > TAIL_BYTES:
            lines.append(self._partial)
            self._partial = b""
        for line in lines:
            self._on_line(line.rstrip(b"\r").decode("utf-8", "replace"))
