"""The listening sockets of this process: those it serves, those it was given, and those that others hold too.

A process can be given sockets by systemd, or by the server whose place it takes. It serves a socket it was given where
its configuration asks for that very address, and never closes the queue of one that is shared: the other holder serves
who waits in it.
"""

import contextlib
import socket
from collections.abc import Iterable
from pathlib import Path
from weakref import WeakKeyDictionary, WeakSet

from rrjobs.runtime.address import Address, TcpAddress, UnixAddress
from rrjobs.runtime.diversion import divert


class Listening:
    """One for the process, `LISTENING`: descriptors belong to processes."""

    def __init__(self) -> None:
        self.reuse_port = False
        """Whether other processes may listen at the same TCP addresses (SO_REUSEPORT)."""
        self._served: WeakKeyDictionary[socket.socket, tuple[str, int]] = WeakKeyDictionary()
        self._shared: WeakSet[socket.socket] = WeakSet()
        self._given: list[tuple[socket.socket, Address | None]] = []

    def give(self, one: socket.socket, address: Address | None = None) -> None:
        """A socket from elsewhere. It serves `address`, or the one it is bound to."""
        one.setblocking(False)
        self._shared.add(one)
        self._given.append((one, address))

    def take(self, address: Address) -> list[socket.socket]:
        """The sockets that were given for this address; each is taken once."""
        taken = [(one, meant) for one, meant in self._given if (meant or _bound(one, address)) == address]
        self._given = [entry for entry in self._given if entry not in taken]
        return [one for one, _ in taken]

    def name(self, one: socket.socket) -> str:
        """Where it listens: `host:port`, or the path of its file."""
        return _name(one)

    def left_over(self) -> list[str]:
        """The addresses of sockets that nobody took; they are closed."""
        given, self._given = self._given, []
        names = [_name(one) for one, _ in given]
        for one, _ in given:
            one.close()
        return names

    def divert(self) -> bool:
        """Send new connections to the other listeners of the port; whether handshakes should be awaited now."""
        if not self.reuse_port:
            return False
        with contextlib.suppress(OSError):
            for one in self.served():
                if one.family != socket.AF_UNIX and not self.is_shared(one):
                    divert(one)
        return True

    def serve(self, one: socket.socket) -> None:
        """Clients come by this socket from now on."""
        path = _path(one)
        self._served[one] = (path, _inode(path))

    def served(self) -> list[socket.socket]:
        """Every socket by which clients come."""
        return [one for one in self._served if one.fileno() >= 0]

    def share(self, sockets: Iterable[socket.socket]) -> None:
        """Another process holds these too from now on."""
        self._shared.update(sockets)

    def keep(self, sockets: Iterable[socket.socket]) -> None:
        """No other process holds these any more."""
        self._shared.difference_update(sockets)

    def is_shared(self, one: socket.socket) -> bool:
        """Whether others hold it too."""
        return one in self._shared

    def close(self, one: socket.socket) -> None:
        """Close it, and remove its file unless somebody else serves that by now."""
        path = _path(one)
        path, inode = self._served.pop(one, (path, _inode(path)))
        if inode and one not in self._shared and _inode(path) == inode:
            Path(path).unlink(missing_ok=True)
        one.close()


LISTENING = Listening()


def _bound(one: socket.socket, wanted: Address) -> Address | None:
    """The wanted address if the socket is bound to it, or to a part of it."""
    if isinstance(wanted, UnixAddress):
        path = _path(one)
        return wanted if path and Path(path).absolute() == Path(wanted.path).absolute() else None
    name = one.getsockname()
    at_port = isinstance(name, tuple) and name[1] == wanted.port != 0
    return wanted if at_port and name[0] in _hosts(one, wanted) else None


def _hosts(one: socket.socket, address: TcpAddress) -> set[str]:
    hosts: set[str] = set()
    for host in address.bind_hosts:
        with contextlib.suppress(OSError):
            hosts |= {str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    serves_both = one.family == socket.AF_INET6 and not one.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    return hosts | {"::"} if serves_both and "0.0.0.0" in hosts else hosts


def _path(one: socket.socket) -> str:
    name = one.getsockname() if one.family == socket.AF_UNIX else ""
    return name if isinstance(name, str) else ""


def _inode(path: str) -> int:
    try:
        return Path(path).stat().st_ino if path else 0
    except OSError:
        return 0


def _name(one: socket.socket) -> str:
    name = one.getsockname()
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(Path(str(name)).absolute())
