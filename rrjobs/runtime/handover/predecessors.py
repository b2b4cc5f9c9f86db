"""Those whose place a starting server takes: their sockets, the word that it is ready, and the wait for their end."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

from rrjobs.errors import TakeoverError
from rrjobs.runtime.handover.messages import is_gone
from rrjobs.runtime.handover.neighbours import Neighbour
from rrjobs.runtime.listening import Listening


class Predecessors:
    """`leaving` have been told to stop by somebody else; `taken` is the one to take over from, if any."""

    def __init__(self, listening: Listening, leaving: Sequence[Neighbour], taken: Neighbour | None) -> None:
        self.taken = taken
        self._listening = listening
        self._left = [*leaving, *([taken] if taken else ())]
        self._gone = asyncio.Event()
        self._sockets: list[socket.socket] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def name(self) -> str:
        """Of those that are still there, for people."""
        return ", ".join(one.name for one in self._left)

    def take(self) -> None:
        """Share the listening sockets of the one to take over from; raises TakeoverError."""
        if self.taken is None:
            return
        answer, descriptors = self.taken.ask("take")
        for fd, shared in zip(descriptors, answer["shared"], strict=True):
            one = socket.socket(fileno=fd)
            self._listening.give(one)
            if not shared:
                self._sockets.append(one)

    @property
    def pids(self) -> str:
        """Of those that are still there."""
        return " ".join(str(one.pid) for one in self._left)

    @property
    def grace_s(self) -> float:
        """How long they may take to end by their own configuration."""
        return max((float(one.about.get("grace_s", 0.0)) for one in self._left), default=0.0)

    def has_pid_file(self, path: Path) -> bool:
        """Whether the one to take over from holds this file."""
        return self.taken is not None and self.taken.about.get("pid_file") == str(path.absolute())

    def ready(self, pid_file: Path | None) -> list[int]:
        """Tell it to drain, and give up its pid file; returns that as a descriptor if it is the one wanted here.

        Raises TakeoverError.
        """
        if self.taken is None:
            return []
        try:
            return self.taken.ask("ready", pid_file=str(pid_file.absolute()) if pid_file else "")[1]
        except TakeoverError as err:
            if is_gone(self.taken.connection):
                return []  # it died meanwhile: its place is free
            raise TakeoverError(f"{self.taken.name} does not give up its place: {err}") from err

    def watch(self) -> None:
        """Notice on the running loop when they end."""
        self._loop = asyncio.get_running_loop()
        for one in self._left:
            one.connection.setblocking(False)
            self._loop.add_reader(one.connection, self._hear, one)
        if not self._left:
            self._gone.set()

    async def wait(self) -> None:
        """Until all have let go of their files, or have died."""
        await self._gone.wait()

    def close(self) -> None:
        """Wait no more; safe twice. One that was asked and not told to drain goes on untouched."""
        for one in self._left:
            if self._loop is not None and one.connection.fileno() >= 0:
                self._loop.remove_reader(one.connection)
            one.close()

    def _hear(self, neighbour: Neighbour) -> None:
        try:
            if neighbour.connection.recv(4096):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        assert self._loop is not None
        self._loop.remove_reader(neighbour.connection)
        neighbour.close()
        self._left.remove(neighbour)
        if neighbour is self.taken:
            self._listening.keep(self._sockets)
        if not self._left:
            self._gone.set()
