"""One child process: its descriptors, its end, and how it is made to end."""

import asyncio
import fcntl
import os
import signal
import struct
import subprocess
import termios
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Pipes:
    """The server's ends. `peek` is the read end of the worker's input, kept to see how much was left unread; or -1.

    `to_worker` and `from_worker` are the same descriptor where the relay is a socket, -1 until it has connected.
    """

    to_worker: int
    from_worker: int
    output: int
    peek: int = -1


class Process:
    """A started child in its own session. `ended` is set once it was reaped; `returncode` is negative for a signal."""

    def __init__(self, popen: subprocess.Popen[bytes], pipes: Pipes, loop: asyncio.AbstractEventLoop) -> None:
        self.pid = popen.pid
        self.pipes = pipes
        self.ended = asyncio.Event()
        self.on_end: Callable[[], None] | None = None
        self._popen = popen
        self._loop = loop
        self._pidfd = os.pidfd_open(popen.pid)
        loop.add_reader(self._pidfd, self._reap)

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self._popen.returncode

    @property
    def exit_code(self) -> int | None:
        """Its exit status, or None when it runs or was ended by a signal."""
        code = self.returncode
        return code if code is not None and code >= 0 else None

    @property
    def signal(self) -> int | None:
        """The signal that ended it, or None."""
        code = self.returncode
        return -code if code is not None and code < 0 else None

    def kill(self) -> None:
        """SIGKILL to it and all it started; safe after its end."""
        if self.returncode is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                self._popen.kill()

    def unread_bytes(self) -> int:
        """How much of what was written to it was never read; 0 where that cannot be seen."""
        if self.pipes.peek < 0:
            return 0
        size = fcntl.ioctl(self.pipes.peek, termios.FIONREAD, b"\0\0\0\0")
        return int(struct.unpack("i", size)[0])

    def close_peek(self) -> None:
        """Give up the spare end; safe twice."""
        if self.pipes.peek >= 0:
            os.close(self.pipes.peek)
            self.pipes.peek = -1

    def describe_end(self) -> str:
        """How it ended, in words."""
        if self.signal is not None:
            try:
                name = signal.Signals(self.signal).name
            except ValueError:
                name = "unknown"
            return f"was killed by signal {self.signal} ({name})"
        return f"exited with code {self.exit_code}"

    def _reap(self) -> None:
        if self._popen.poll() is None:
            return
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.ended.set()
        if self.on_end is not None:
            self.on_end()
