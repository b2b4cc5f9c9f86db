"""The RPC server: listens, and gives each client its connection."""

import asyncio
import contextlib
import socket
from pathlib import Path

from rrjobs.errors import AddressError
from rrjobs.rpc.calls import WaitingCalls
from rrjobs.rpc.config import MAX_CONNECTIONS
from rrjobs.rpc.connection import Connection
from rrjobs.rpc.method import MethodTable
from rrjobs.rpc.roster import Connections
from rrjobs.runtime.address import Address, UnixAddress
from rrjobs.runtime.events import Events
from rrjobs.runtime.listen import BACKLOG, bound_address, listen

STALL_S = 30.0
"""A frame of which not one byte came for so long is never finished."""

GRACE_S = 0.5
"""What calls that wait get to end in, and replies to be sent, when the server stops."""


class RpcServer:
    """Started by `start`, which raises AddressError when the address cannot be had; `stop` is safe at any time."""

    def __init__(
        self,
        address: Address,
        methods: MethodTable,
        events: Events,
        *,
        stall_s: float = STALL_S,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._methods = methods
        self._calls = WaitingCalls(events)
        self._connections = Connections(max_connections, self._calls.refused)
        self._stall_s = stall_s
        self._address = address
        self._servers: list[asyncio.Server] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._socket_inode = 0

    @property
    def address(self) -> Address:
        """Where it listens; after `start` with the port that was really taken."""
        return self._address

    async def start(self) -> None:
        """Listen: calls are answered from now on."""
        try:
            bound = listen(self._address)
        except AddressError as err:
            raise AddressError(f"rpc.listen: {err}") from err
        self._address = bound_address(self._address, bound)
        self._remember_socket_file()
        for one in bound:
            self._servers.append(await self._serve(one))
        self._watch()

    async def _serve(self, one: socket.socket) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        if one.family == socket.AF_UNIX:
            return await loop.create_unix_server(self._connection, sock=one, backlog=BACKLOG)
        return await loop.create_server(self._connection, sock=one, backlog=BACKLOG)

    def _connection(self) -> Connection:
        return Connection(self._methods, self._calls, self._connections)

    def _watch(self) -> None:
        self._connections.end_stalled(self._stall_s)
        self._sweep = asyncio.get_running_loop().call_later(self._stall_s, self._watch)

    async def stop(self) -> None:
        """No new clients, calls that wait end or are cut off, then every connection is closed."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._remove_socket_file()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        await self._calls.finish(GRACE_S)
        await self._connections.close(GRACE_S)

    def _remember_socket_file(self) -> None:
        if isinstance(self._address, UnixAddress):
            self._socket_inode = Path(self._address.path).stat().st_ino

    def _remove_socket_file(self) -> None:
        """Only our own: another server may have taken the path by now."""
        if isinstance(self._address, UnixAddress) and self._socket_inode:
            path = Path(self._address.path)
            with contextlib.suppress(OSError):
                if path.stat().st_ino == self._socket_inode:
                    path.unlink()
            self._socket_inode = 0
