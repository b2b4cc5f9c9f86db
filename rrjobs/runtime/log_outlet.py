"""Where log lines leave the process: in batches, without making the event loop wait, within bounded memory.

waiting --turn of the loop ends--> formatted --descriptor takes them--> gone
a reader that is too slow: what exceeds the bound is dropped, counted, and told in one line later
"""

import asyncio
import contextlib
import logging
import os
import select
import stat
import time
from collections.abc import Callable
from typing import Protocol

from rrjobs.runtime.log_lines import Line, Style

MAX_WAITING_LINES = 50_000
"""Lines of one turn of the loop; more cannot be formatted in a reasonable time."""

MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Text that the descriptor did not take yet."""

_WRITE_BYTES = 256 * 1024
"""Of one write; what waits is not copied whole each time."""

CLOSE_WAIT_S = 1.0
"""How long the last lines may take when the server ends."""


class Target(Protocol):
    """Takes bytes as far as it can now."""

    def write(self, data: bytes) -> int:
        """How many bytes were taken; 0 when it would have to wait. Raises OSError when it takes none ever."""
        ...

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class Outlet:
    """Lines go in by `take`, from the thread of the loop; they come out in order."""

    def __init__(self, target: Target, on_error: Callable[[OSError], None] = lambda err: None) -> None:
        """`on_error` is called when the target fails, and again only after it has worked in between."""
        self._target = target
        self._on_error = on_error
        self._failing = False
        self._lines: list[tuple[Style, Line]] = []
        self._text = bytearray()
        self._dropped = 0
        self._scheduled = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watched: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def take(self, style: Style, line: Line) -> None:
        """Keep a line until the end of this turn; without a running loop it is written at once."""
        if len(self._lines) >= MAX_WAITING_LINES or len(self._text) >= MAX_WAITING_BYTES or self._closed:
            self._dropped += 1
            return
        self._lines.append((style, line))
        if self._scheduled:
            return
        loop = self._loop
        if loop is None or not loop.is_running():  # asking for the running loop costs a system call each time
            try:
                loop = self._loop = asyncio.get_running_loop()
            except RuntimeError:
                self._flush()
                return
        self._scheduled = True
        loop.call_soon(self._flush)

    def put_at_once(self, text: str) -> None:
        """From any thread, past the lines that wait: for what must be seen though the loop does not turn."""
        left = f"{text}\n".encode("utf-8", "replace")
        deadline = time.monotonic() + CLOSE_WAIT_S
        with contextlib.suppress(OSError):
            while left and (left_s := deadline - time.monotonic()) > 0 and not self._closed:
                taken = self._target.write(left)
                left = left[taken:]
                if left:
                    select.select([], [self._target.fileno()], [], left_s)

    def close(self) -> None:
        """Write what is left, for at most CLOSE_WAIT_S; safe twice."""
        if self._closed:
            return
        self._flush()
        deadline = time.monotonic() + CLOSE_WAIT_S
        while self._text and (left_s := deadline - time.monotonic()) > 0:
            select.select([], [self._target.fileno()], [], left_s)
            self._write()
        self._closed = True
        self._unwatch()
        self._target.close()

    def _flush(self) -> None:
        self._scheduled = False
        if self._closed:
            return
        lines, self._lines = self._lines, []
        if self._dropped and lines and len(self._text) < MAX_WAITING_BYTES // 2:
            self._tell_dropped(lines[0][0])
        self._text += "".join([f"{style(line)}\n" for style, line in lines]).encode("utf-8", "replace")
        self._write()

    def _tell_dropped(self, style: Style) -> None:
        number, self._dropped = self._dropped, 0
        line = Line(time.time(), logging.WARNING, "rrjobs", "log.dropped", {"lines": number})
        self._text += f"{style(line)}\n".encode()

    def _write(self) -> None:
        try:
            while self._text:
                taken = self._target.write(bytes(self._text[:_WRITE_BYTES]))
                if not taken:
                    self._watch()
                    return
                del self._text[:taken]
                self._failing = False
        except OSError as err:  # a closed pipe, a full disk: a server does not stop for its log
            self._text.clear()
            self._dropped += 1
            if not self._failing:
                self._failing = True
                self._on_error(err)
        self._unwatch()

    def _watch(self) -> None:
        if self._watched is None:
            try:
                self._watched = asyncio.get_running_loop()
            except RuntimeError:
                return
            self._watched.add_writer(self._target.fileno(), self._write)

    def _unwatch(self) -> None:
        if self._watched is not None and not self._watched.is_closed():
            self._watched.remove_writer(self._target.fileno())
        self._watched = None


class Stream:
    """A standard stream. Its pipe or terminal is opened anew: without waiting for it, and without changing it for those
    who share it. What cannot be opened so (regular files, odd devices) is written to as it is.
    """

    def __init__(self, descriptor: int) -> None:
        mode = os.fstat(descriptor).st_mode
        self._fd = os.dup(descriptor)
        if stat.S_ISFIFO(mode) or os.isatty(descriptor):
            try:
                anew = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            except OSError:
                return
            os.close(self._fd)
            self._fd = anew

    def write(self, data: bytes) -> int:
        """See Target."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._fd

    def close(self) -> None:
        """Not the stream itself."""
        os.close(self._fd)
