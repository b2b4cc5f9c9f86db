"""The listener of socket relays: workers connect to it, and are told apart by the pid they answer with."""

import asyncio
import os
import socket
from pathlib import Path

import orjson

from rrjobs.errors import AddressError, ProtocolError
from rrjobs.protocol.frame import CONTROL, FrameParser, pid_request
from rrjobs.runtime.address import TcpAddress, UnixAddress, parse_dsn
from rrjobs.runtime.listen import apart, dsn_of
from rrjobs.runtime.tasks import Tasks

HANDSHAKE_S = 10.0


class RelayListener:
    """One listener for all pools. Handshakes run side by side: a silent client holds nobody up."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._address = parse_dsn(dsn)
        self._socket: socket.socket | None = None
        self._expected: dict[int, asyncio.Future[socket.socket]] = {}
        self._tasks = Tasks()

    @property
    def dsn(self) -> str:
        """Where workers connect to."""
        return self._dsn

    async def start(self, *, beside: bool = False) -> None:
        """Bind and listen; `beside` another server that has the address: elsewhere. Raises AddressError."""
        if beside:
            self._address = apart(self._address)
        self._socket = _bind(self._address)
        if beside:
            self._dsn = dsn_of(self._socket)
        self._socket.setblocking(False)
        self._tasks.start(self._accept(self._socket))

    def expect(self, pid: int) -> None:
        """A child of this pid will connect."""
        self._expected[pid] = asyncio.get_running_loop().create_future()

    async def connection_of(self, pid: int) -> socket.socket:
        """Its connection, as soon as it has told its pid; bound the wait from outside."""
        return await self._expected[pid]

    def forget(self, pid: int) -> None:
        """The child is gone; safe when it was never expected."""
        waiting = self._expected.pop(pid, None)
        if waiting is not None and not waiting.done():
            waiting.cancel()

    async def stop(self) -> None:
        """Stop listening; safe twice."""
        await self._tasks.end()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            _unlink(self._address)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            connection.setblocking(False)
            self._tasks.start(self._shake(connection))

    async def _shake(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                pid = await _ask_pid(connection)
        except (TimeoutError, OSError, ProtocolError):
            connection.close()
            return
        waiting = self._expected.get(pid)
        if waiting is None or waiting.done():
            connection.close()
            return
        waiting.set_result(connection)


async def _ask_pid(connection: socket.socket) -> int:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, pid_request(os.getpid()))
    parser = FrameParser(max_payload_bytes=1024)
    while True:
        data = await loop.sock_recv(connection, 4096)
        if not data:
            raise ProtocolError("closed before it told its pid")
        for frame in parser.feed(data):
            if not frame.flags & CONTROL:
                raise ProtocolError("not an answer to the pid request")
            return read_pid(frame.payload)


def read_pid(payload: bytes) -> int:
    """The pid of a pid answer; raises ProtocolError."""
    try:
        pid = orjson.loads(payload)["pid"]
    except (ValueError, KeyError, TypeError) as err:
        raise ProtocolError(f"not a pid answer: {payload[:100]!r}") from err
    if type(pid) is not int or pid <= 0:
        raise ProtocolError(f"not a pid: {pid!r}")
    return pid


def _bind(address: TcpAddress | UnixAddress) -> socket.socket:
    try:
        if isinstance(address, UnixAddress):
            path = Path(address.path)
            if path.exists() and not path.is_dir():
                path.unlink()
            bound = socket.socket(socket.AF_UNIX)
            bound.bind(address.path)
        else:
            bound = socket.socket(socket.AF_INET)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((address.host or "127.0.0.1", address.port))
        bound.listen(512)
    except OSError as err:
        raise AddressError(f"server.relay: cannot listen on {address}: {err.strerror or err}") from err
    return bound


def _unlink(address: TcpAddress | UnixAddress) -> None:
    if isinstance(address, UnixAddress):
        Path(address.path).unlink(missing_ok=True)
