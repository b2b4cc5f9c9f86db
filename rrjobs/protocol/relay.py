"""Frames on a pair of raw descriptors: non-blocking writes that never split a frame's header.

A PHP worker reads the 12 header bytes in one read and dies on fewer, so what is written in one call must fit, and what
cannot fit is written frame by frame: a frame's first bytes go out only when everything before them did.
"""

import asyncio
import fcntl
import os
import socket
from collections import deque
from collections.abc import Callable

F_GETPIPE_SZ = 1032
SOCKET_WINDOW_BYTES = 32 * 1024


class FrameWriter:
    """Writes whole frames to `fd`; what the kernel does not take waits here and goes out as the reader reads.

    `on_error(err)` is called once, from the loop, when the other side is gone.
    """

    def __init__(self, fd: int, loop: asyncio.AbstractEventLoop, on_error: Callable[[OSError], None]) -> None:
        self._fd = fd
        self._loop = loop
        self._on_error = on_error
        self._waiting: deque[memoryview] = deque()
        self._closed = False
        self.window_bytes = window_of(fd)

    @property
    def waiting_bytes(self) -> int:
        """What the kernel did not take yet."""
        return sum(map(len, self._waiting))

    def write(self, frames: bytes) -> None:
        """Frames that together fit the reader's window, or one frame of any size."""
        if self._closed:
            return
        if self._waiting:
            self._waiting.append(memoryview(frames))
            return
        try:
            written = os.write(self._fd, frames)
        except BlockingIOError:
            written = 0
        except OSError as err:
            self._fail(err)
            return
        if written < len(frames):
            self._waiting.append(memoryview(frames)[written:])
            self._loop.add_writer(self._fd, self._drain)

    def close(self) -> None:
        """Forget what waits and close the descriptor; safe twice."""
        if self._closed:
            return
        self._closed = True
        if self._waiting:
            self._loop.remove_writer(self._fd)
            self._waiting.clear()
        os.close(self._fd)

    def _drain(self) -> None:
        try:
            while self._waiting:
                part = self._waiting[0]
                written = os.write(self._fd, part)
                if written < len(part):
                    self._waiting[0] = part[written:]
                    return
                self._waiting.popleft()
        except BlockingIOError:
            return
        except OSError as err:
            self._fail(err)
            return
        self._loop.remove_writer(self._fd)

    def _fail(self, err: OSError) -> None:
        self.close()
        self._on_error(err)


def window_of(fd: int) -> int:
    """How many unread bytes may lie before a reader so that the next header is still written whole."""
    try:
        return fcntl.fcntl(fd, F_GETPIPE_SZ) // 2
    except OSError:
        return SOCKET_WINDOW_BYTES


class QuickAck:
    """Acknowledges at once what comes over TCP: a peer that sends two small frames holds the second one back until the
    first was acknowledged (Nagle), and the kernel's delay for that is 40 ms.
    """

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=os.dup(fd))
        self.renew()

    def renew(self) -> None:
        """After each read: the kernel forgets it (tcp(7), TCP_QUICKACK)."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def close(self) -> None:
        """Safe twice."""
        self._socket.close()
