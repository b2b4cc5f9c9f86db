"""An HTTP/1.1 server: listening sockets, open connections, and the clock that enforces their time limits."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable

from rrjobs.protocol.http1.body_room import BodyRoom
from rrjobs.protocol.http1.connection import Connection
from rrjobs.protocol.http1.known import KnownRequests
from rrjobs.protocol.http1.limits import Limits
from rrjobs.protocol.http1.line import PARKED
from rrjobs.protocol.http1.roles import Handler
from rrjobs.runtime.address import Address
from rrjobs.runtime.listen import BACKLOG, bound_address, listen
from rrjobs.runtime.listening import LISTENING

LAST_BYTES_S = 1.0


class HttpServer:
    """Serves one address with one handler.

    Beyond `limits.max_connections` it stops accepting, so that further clients wait in the kernel; those that were
    accepted before it noticed are parked unread.
    """

    def __init__(self, address: Address, handler: Handler, limits: Limits) -> None:
        self.address = address
        self.handler = handler
        self.limits = limits
        self.known = KnownRequests(limits)
        self.bodies = BodyRoom(limits.all_bodies_bytes)
        self.now = 0.0
        self.draining = False
        self._sockets: list[socket.socket] = []
        self._acceptors: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._parked: deque[Connection] = deque()
        self._tick: asyncio.TimerHandle | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._coming: set[asyncio.Task[None]] = set()
        self._empty: asyncio.Event | None = None

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """Those it listens at; none before `start` and when it accepts no more."""
        return tuple(self._sockets)

    def bind(self) -> None:
        """Listen, so that clients may queue; raises AddressError. `address` then has the real port."""
        self._sockets = listen(self.address)
        self.address = bound_address(self.address, self._sockets)

    async def start(self) -> None:
        """Serve, after `bind` if nobody called it; raises AddressError."""
        self.now = asyncio.get_running_loop().time()
        if not self._sockets:
            self.bind()
        await self._accept()
        self._check_times()

    def stop_accepting(self) -> None:
        """Close the listening sockets; open connections go on.

        Who is queued in the kernel already gets a connection first, for closing the socket would reset it. A socket
        that others hold too is left to them with its queue.
        """
        self._hold_back()
        for one in self._sockets:
            if not LISTENING.is_shared(one):
                self._let_in(one)
            LISTENING.close(one)
        self._sockets = []

    def drain(self) -> None:
        """Close idle connections, and each other one after the answers that are due."""
        self.draining = True
        for connection in tuple(self._connections):
            connection.drain()

    def last_answers(self) -> None:
        """The same, but who is idle may ask once more."""
        self.draining = True
        for connection in tuple(self._connections):
            connection.ending = True

    def end_silent(self) -> None:
        """Close every connection on which no request has begun."""
        for connection in tuple(self._connections):
            connection.end_silent()

    async def wait_closed(self) -> None:
        """Until no connection is open."""
        if self._coming:
            await asyncio.wait(self._coming)
        if self._connections:
            self._empty = asyncio.Event()
            await self._empty.wait()

    async def stop(self) -> None:
        """Close everything, whatever was not answered; safe twice and before `start`.

        Answers that were given and did not reach their clients yet have `LAST_BYTES_S` for that.
        """
        self.stop_accepting()
        if self._accepting is not None:
            await self._accepting
        if self._coming:
            await asyncio.wait(self._coming)
        self.drain()
        for connection in tuple(self._connections):
            if not connection.closing:
                connection.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_BYTES_S):
                await self.wait_closed()
        for connection in tuple(self._connections):
            connection.abort()
        await self.wait_closed()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def opened(self, connection: Connection) -> None:
        """A connection was accepted."""
        self._connections.add(connection)
        if len(self._connections) > self.limits.max_connections:
            connection.hold(PARKED)
            self._parked.append(connection)
        if len(self._connections) >= self.limits.max_connections:
            self._hold_back()

    def closed(self, connection: Connection) -> None:
        """A connection is no more."""
        self._connections.discard(connection)
        if self._empty is not None and not self._connections:
            self._empty.set()
        if self._parked:
            self._unpark(connection)
        else:
            self._accept_again()

    def _unpark(self, gone: Connection) -> None:
        if gone in self._parked:
            self._parked.remove(gone)
            return
        connection = self._parked.popleft()
        connection.since = self.now
        connection.release(PARKED)

    def _hold_back(self) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors = []

    def _accept_again(self) -> None:
        if self._acceptors or self._accepting is not None or len(self._connections) >= self.limits.max_connections:
            return
        if self._sockets:
            self._accepting = asyncio.get_running_loop().create_task(self._accept())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            for one in self._sockets:
                twin = one.dup()  # so that the socket goes on listening while nobody accepts
                if one.family == socket.AF_UNIX:
                    acceptor = await loop.create_unix_server(self._connect, sock=twin, backlog=BACKLOG)
                else:
                    acceptor = await loop.create_server(self._connect, sock=twin, backlog=BACKLOG)
                self._acceptors.append(acceptor)
        except OSError:  # out of descriptors: the next tick tries again
            self._hold_back()
        finally:
            self._accepting = None
        if not self._sockets:
            self._hold_back()

    def _let_in(self, listening: socket.socket) -> None:
        """Accept everybody who is in the queue."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # none is left, or no descriptor is
            while len(self._coming) < BACKLOG:
                client, _ = listening.accept()
                client.setblocking(False)
                task = loop.create_task(_attached(loop, self._connect, client))
                self._coming.add(task)
                task.add_done_callback(self._coming.discard)

    def _connect(self) -> Connection:
        return Connection(self)

    def _check_times(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        self._tick = loop.call_later(self.limits.tick_s, self._check_times)
        for connection in tuple(self._connections):
            connection.check(self.now)
        self._accept_again()


async def _attached(loop: asyncio.AbstractEventLoop, connect: Callable[[], Connection], client: socket.socket) -> None:
    """A connection out of an accepted socket; one that is gone already needs none."""
    try:
        await loop.connect_accepted_socket(connect, client)
    except OSError:
        client.close()
