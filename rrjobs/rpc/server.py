"""The RPC server: listens, and gives each client its connection."""

import asyncio
import socket
from collections.abc import Sequence

from rrjobs.errors import AddressError
from rrjobs.rpc.calls import WaitingCalls
from rrjobs.rpc.config import MAX_CONNECTIONS
from rrjobs.rpc.connection import Connection
from rrjobs.rpc.method import MethodTable
from rrjobs.rpc.roster import Connections
from rrjobs.runtime.address import Address
from rrjobs.runtime.events import Events
from rrjobs.runtime.listen import BACKLOG, apart, bound_address, dsn_of, listen, listen_apart
from rrjobs.runtime.listening import LISTENING

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
        self._sockets: list[socket.socket] = []
        self._bound: list[socket.socket] = []

    @property
    def address(self) -> Address:
        """Where it listens; after `start` with the port that was really taken."""
        return self._address

    def bind(self) -> None:
        """Listen, so that clients may queue."""
        try:
            self._bound = listen(self._address)
        except AddressError as err:
            raise AddressError(f"rpc.listen: {err}") from err
        self._address = bound_address(self._address, self._bound)
        self._sockets += self._bound

    async def start(self) -> None:
        """Listen if nobody did: calls are answered from now on."""
        if not self._bound:
            self.bind()
        await self._serve(self._bound)

    async def start_apart(self) -> str:
        """Listen at an address of this process alone, while another server has the proper one; returns its DSN."""
        sockets = listen_apart(apart(self._address))
        self._sockets += sockets
        await self._serve(sockets)
        return dsn_of(sockets[0])

    async def _serve(self, sockets: Sequence[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        for one in sockets:
            twin = one.dup()  # the socket itself may be handed over
            if twin.family == socket.AF_UNIX:
                server = await loop.create_unix_server(self._connection, sock=twin, backlog=BACKLOG)
            else:
                server = await loop.create_server(self._connection, sock=twin, backlog=BACKLOG)
            self._servers.append(server)
        if self._sweep is None:
            self._watch()

    def _connection(self) -> Connection:
        return Connection(self._methods, self._calls, self._connections)

    def _watch(self) -> None:
        self._connections.end_stalled(self._stall_s)
        self._sweep = asyncio.get_running_loop().call_later(self._stall_s, self._watch)

    def stop_accepting(self) -> None:
        """No new clients; those that are here go on."""
        for server in self._servers:
            server.close()
        for one in self._sockets:
            LISTENING.close(one)
        self._servers = []
        self._sockets = []

    async def stop(self) -> None:
        """No new clients, calls that wait end or are cut off, then every connection is closed."""
        self.stop_accepting()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        await self._calls.finish(GRACE_S)
        await self._connections.close(GRACE_S)
