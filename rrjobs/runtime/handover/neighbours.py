"""Other servers that run with the same state folder, as a server sees them that starts."""

import contextlib
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rrjobs.errors import TakeoverError
from rrjobs.runtime.address import Address, UnixAddress
from rrjobs.runtime.handover.messages import peer_of, receive, send, user_name

ANSWER_S = 5.0
"""A server whose event loop turns answers at once."""


class Neighbour:
    """One that was met; connected until `close`. `trouble` says why it cannot be spoken with."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.pid, uid = peer_of(connection)
        self.trouble = ""
        self.about: Mapping[str, Any] = {}
        if uid != os.geteuid():
            self.trouble = f"it runs as user {user_name(uid)}, this one as {user_name(os.geteuid())}"
            return
        try:
            self.about, _ = self.ask("who")
        except TakeoverError as err:
            self.trouble = str(err)

    @property
    def draining(self) -> bool:
        """Whether it is about to end."""
        return bool(self.about.get("draining"))

    @property
    def name(self) -> str:
        """For people."""
        return f"process {self.pid}"

    def serves(self, address: Address) -> bool:
        """Whether it listens there, or at the same port of another host."""
        names = [str(name) for name in self.about.get("addresses", ())]
        if isinstance(address, UnixAddress):
            return str(Path(address.path).absolute()) in names
        return any(not name.startswith("/") and name.rpartition(":")[2] == str(address.port) for name in names)

    def ask(self, question: str, **more: object) -> tuple[Mapping[str, Any], list[int]]:
        """Its answer; raises TakeoverError when it refuses, is gone, or does not answer."""
        try:
            self.connection.settimeout(ANSWER_S)
            send(self.connection, {"ask": question, **more})
            answer, descriptors = receive(self.connection)
        except TimeoutError as err:
            raise TakeoverError(
                f"it has not answered for {ANSWER_S:g} s: is it stuck? `kill -9 {self.pid}` ends it"
            ) from err
        except (OSError, ValueError) as err:
            raise TakeoverError(f"it cannot be spoken with: {err}") from err
        if not answer:
            raise TakeoverError("it has just ended: start again")
        if "error" in answer:
            raise TakeoverError(str(answer["error"]))
        return answer, descriptors

    def close(self) -> None:
        """Safe twice."""
        self.connection.close()


def neighbours(folder: Path) -> list[Neighbour]:
    """Every server whose socket lies in the folder; sockets of dead ones are removed."""
    found = []
    for path in sorted(folder.glob("*.sock")):
        one = _connected(path)
        if one is not None:
            found.append(Neighbour(one))
    return found


def _connected(path: Path) -> socket.socket | None:
    one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    one.settimeout(ANSWER_S)
    at = -1
    try:
        at = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        one.connect(f"/proc/self/fd/{at}/{path.name}")
    except ConnectionRefusedError:
        one.close()
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()
        return None
    except OSError:
        one.close()
        return None
    finally:
        if at >= 0:
            os.close(at)
    return one
