"""What a worker prints: lines for the log, and the tail of it for the report of its end."""

import asyncio
import os
import select
from collections import deque
from collections.abc import Callable

TAIL_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024
_HELD_LINES = 1000


class OutputReader:
    """Drains a pipe of the worker, so that it never blocks on printing. `on_line` gets each line without its end.

    Lines are held until `hand_over`: what a worker says that never gets ready stands in the error about it, once.
    A line longer than TAIL_BYTES is handed over in pieces. After `close` the tail stays readable.
    """

    def __init__(self, fd: int, loop: asyncio.AbstractEventLoop, on_line: Callable[[str], None]) -> None:
        self._fd = fd
        self._loop = loop
        self._on_line = on_line
        self._held: deque[str] | None = deque(maxlen=_HELD_LINES)
        self._tail = bytearray()
        self._partial = b""
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        self.pending = poller.poll
        """Called with 0: what is true when there may be something to drain, for a third of the price of a read."""
        os.set_blocking(fd, False)
        loop.add_reader(fd, self.drain)

    @property
    def tail(self) -> str:
        """The last 64 KiB printed."""
        return self._tail.decode("utf-8", "replace")

    def hand_over(self) -> None:
        """The worker is ready: what it said so far, and from now on each line as it comes."""
        held, self._held = self._held or (), None
        for line in held:
            self._on_line(line)

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
            self._line(partial.decode("utf-8", "replace"))

    def _take(self, data: bytes) -> None:
        self._tail += data
        if len(self._tail) > TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > TAIL_BYTES:
            lines.append(self._partial)
            self._partial = b""
        for line in lines:
            self._line(line.rstrip(b"\r").decode("utf-8", "replace"))

    def _line(self, line: str) -> None:
        if self._held is not None:
            self._held.append(line)
        else:
            self._on_line(line)
