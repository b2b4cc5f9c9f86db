"""Listening sockets for an address, with errors that name the address and the fix."""

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

from rrjobs.errors import AddressError
from rrjobs.runtime.address import Address, TcpAddress, UnixAddress
from rrjobs.runtime.listening import LISTENING

BACKLOG = 4096
"""The kernel cuts it to net.core.somaxconn."""


def listen(address: Address) -> list[socket.socket]:
    """Non-blocking sockets that listen on an address, at least one; AddressError when it cannot be had.

    Sockets that this process was given for the address are taken (see `rrjobs.runtime.listening`). A unix socket file
    that no server owns any more is removed first; one with a live server behind it is an error.
    """
    sockets = LISTENING.take(address) or listen_apart(address)
    for one in sockets:
        LISTENING.serve(one)
    return sockets


def listen_apart(address: Address) -> list[socket.socket]:
    """The same for an address of this process alone: it is not given to the server that takes over, nor by one."""
    if isinstance(address, UnixAddress):
        return [_listen_unix(address)]
    reuse_port = LISTENING.reuse_port and address.port != 0
    sockets = [_listen_tcp(address, address.bind_hosts[0], address.port, reuse_port)]
    port = sockets[0].getsockname()[1]
    for host in address.bind_hosts[1:]:
        with contextlib.suppress(AddressError):  # a machine without IPv6
            sockets.append(_listen_tcp(address, host, port, reuse_port))
    return sockets


def apart(address: Address) -> Address:
    """An address of the same kind that this process can have beside another one's: a free loopback port, or a path."""
    if isinstance(address, UnixAddress):
        return UnixAddress(f"{address.path}.{os.getpid()}")
    return TcpAddress("127.0.0.1", 0)


def dsn_of(one: socket.socket) -> str:
    """Where clients of this machine reach a socket."""
    name = one.getsockname()
    return f"tcp://{name[0]}:{name[1]}" if isinstance(name, tuple) else f"unix://{name}"


def bound_address(address: Address, bound: list[socket.socket]) -> Address:
    """The same address with the port that was really taken, where any free one was asked for."""
    if isinstance(address, UnixAddress):
        return address
    return TcpAddress(address.host, bound[0].getsockname()[1])


def _listen_tcp(address: TcpAddress, host: str, port: int, reuse_port: bool) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as err:
        raise AddressError(f"cannot listen on {address}: the host {host!r} is not known on this machine") from err
    family, kind, protocol, _, name = found[0]
    one = socket.socket(family, kind, protocol)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(name)
        one.listen(BACKLOG)
        one.setblocking(False)
    except OSError as err:
        one.close()
        raise AddressError(f"cannot listen on {address}: {_reason(err)}") from err
    return one


def _reason(err: OSError) -> str:
    if err.errno == errno.EADDRINUSE:
        return "another program has this port; stop it or choose another port"
    if err.errno == errno.EACCES:
        return "not permitted; ports below 1024 need privileges"
    if err.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address"
    return os.strerror(err.errno) if err.errno else str(err)


def _listen_unix(address: UnixAddress) -> socket.socket:
    _remove_stale(address)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        one.bind(address.path)
        one.listen(BACKLOG)
        one.setblocking(False)
    except OSError as err:
        one.close()
        raise AddressError(f"cannot listen on {address}: {os.strerror(err.errno or 0)}") from err
    return one


def _remove_stale(address: UnixAddress) -> None:
    path = Path(address.path)
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise AddressError(f"cannot listen on {address}: the file exists and is no socket; remove it or choose another")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address.path)
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        except OSError as err:
            raise AddressError(f"cannot listen on {address}: {os.strerror(err.errno or 0)}") from err
        else:
            raise AddressError(f"cannot listen on {address}: a running server owns this socket; stop it first")
