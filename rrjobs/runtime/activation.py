"""Listening sockets from systemd: `LISTEN_FDS`, `LISTEN_FDNAMES` and `LISTEN_PID` (sd_listen_fds(3))."""

import os
import socket
from collections.abc import Mapping, MutableMapping

from rrjobs.errors import AddressError
from rrjobs.runtime.address import Address
from rrjobs.runtime.listening import Listening

FIRST_FD = 3
VARIABLES = ("LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID")


def take_up(environment: MutableMapping[str, str], sections: Mapping[str, Address], listening: Listening) -> int:
    """Give `listening` the sockets that were passed to this process, and tell how many there were.

    One whose name is that of a section (`FileDescriptorName=http`) serves it, whatever address it is bound to; any
    other serves the section with its address. The variables are removed: they are not for workers. Raises AddressError.
    """
    number, names, owner = (environment.pop(name, "") for name in VARIABLES)
    if owner != str(os.getpid()) or not number.isdecimal():
        return 0
    called = names.split(":") if names else []
    for index in range(int(number)):
        name = called[index] if index < len(called) else ""
        listening.give(_socket_at(FIRST_FD + index, name), sections.get(name))
    return int(number)


def _socket_at(fd: int, name: str) -> socket.socket:
    what = f"descriptor {fd} from systemd ({name or 'without a name'})"
    try:
        os.set_inheritable(fd, False)
        one = socket.socket(fileno=fd)
    except OSError as err:
        raise AddressError(f"{what} is no socket: {os.strerror(err.errno or 0)}") from err
    if one.type != socket.SOCK_STREAM or not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        one.detach()
        raise AddressError(f"{what} is no listening stream socket: write ListenStream= and Accept=no in its unit")
    return one
