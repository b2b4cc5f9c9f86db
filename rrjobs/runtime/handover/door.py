"""Where a running server can be asked for its place, by a successor of the same user.

serving --take--> asked --ready--> handed over         asked --the successor is gone--> serving
"""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rrjobs.runtime.handover.messages import is_gone, peer_of, receive, send, user_name
from rrjobs.runtime.listening import Listening

FOLDER = "run"
"""In the state folder; one socket for each running server."""

BACKLOG = 16


class Door:
    """Open from `open` to `close`; until then those who wait for the end of this server stay connected.

    `about` is what it tells of itself. `give_up` is called once, with the process that is ready to succeed and the pid
    file that it wants: the server drains from then on, and what it returns goes to the successor as descriptors.
    """

    def __init__(self, folder: Path, listening: Listening, about: dict[str, object]) -> None:
        self.give_up: Callable[[int, str], Sequence[int]] = lambda successor, pid_file: ()
        self.draining = False
        self._folder = folder
        self._listening = listening
        self.about = about
        self._path: Path | None = None
        self._socket: socket.socket | None = None
        self._visitors: dict[socket.socket, int] = {}
        self._successor: socket.socket | None = None

    def open(self) -> None:
        """Raises OSError where the folder cannot be written to."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._socket = _bound(self._folder, f"{name}.new")
        self._path = self._folder / f"{name}.sock"
        (self._folder / f"{name}.new").rename(self._path)  # listening already: nobody takes it for a dead one's
        asyncio.get_running_loop().add_reader(self._socket, self._let_in, self._socket)

    def close(self) -> None:
        """Everything is let go of; safe twice, and before `open`."""
        loop = asyncio.get_running_loop()
        for one in (*self._visitors, *([self._socket] if self._socket else ())):
            loop.remove_reader(one)
            one.close()
        self._visitors.clear()
        self._socket = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def _let_in(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            visitor, _ = listening.accept()
            visitor.setblocking(False)
            pid, uid = peer_of(visitor)
            if uid != os.geteuid():
                with visitor:
                    send(visitor, {"error": f"it runs as user {user_name(os.geteuid())}"})
                return
            self._visitors[visitor] = pid
            asyncio.get_running_loop().add_reader(visitor, self._hear, visitor)

    def _hear(self, visitor: socket.socket) -> None:
        try:
            message, descriptors = receive(visitor)
            for fd in descriptors:
                os.close(fd)
            if message and not is_gone(visitor):
                send(visitor, *self._answer(message, visitor))
                return
        except BlockingIOError:
            return
        except (OSError, ValueError):
            pass
        self._leave(visitor)

    def _leave(self, visitor: socket.socket) -> None:
        if self._successor is visitor:
            self._successor = None
        del self._visitors[visitor]
        asyncio.get_running_loop().remove_reader(visitor)
        visitor.close()

    def _answer(self, message: Mapping[str, Any], visitor: socket.socket) -> tuple[dict[str, object], Sequence[int]]:
        match message.get("ask"):
            case "who":
                addresses = [self._listening.name(one) for one in self._listening.served()]
                return {**self.about, "addresses": addresses, "draining": self.draining}, ()
            case "take":
                return self._take(visitor)
            case "ready" if self._successor is visitor and not self.draining:
                return self._hand_over(visitor, str(message.get("pid_file", "")))
            case _:
                return {"error": "it does not understand the question: is it of another version?"}, ()

    def _take(self, visitor: socket.socket) -> tuple[dict[str, object], Sequence[int]]:
        if self.draining:
            return {"error": "it is stopping already: start without --takeover, or wait for its end"}, ()
        if self._successor is not None:
            return {"error": f"process {self._visitors[self._successor]} is taking over from it already"}, ()
        self._successor = visitor
        served = self._listening.served()
        return {"shared": [self._listening.is_shared(one) for one in served]}, [one.fileno() for one in served]

    def _hand_over(self, visitor: socket.socket, pid_file: str) -> tuple[dict[str, object], Sequence[int]]:
        self.draining = True
        self._listening.share(self._listening.served())
        return {"done": True}, self.give_up(self._visitors[visitor], pid_file)


def _bound(folder: Path, name: str) -> socket.socket:
    """By way of the open folder: a path may be longer than the address of a socket can be."""
    at = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        one.bind(f"/proc/self/fd/{at}/{name}")
        (folder / name).chmod(0o600)
        one.listen(BACKLOG)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    finally:
        os.close(at)
    return one
