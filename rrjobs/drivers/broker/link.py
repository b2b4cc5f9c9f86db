"""The connection of a pipeline as a state, not as an exception.

new --open--> up --lost--> down --connected--> up          any --close--> closed
Each change is one event. A connection counts as one from when it works, that is does what the pipeline wants of it; as
long as none works, `trouble` says why and `down_s` for how long.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from rrjobs.drivers.broker.backoff import Backoff
from rrjobs.drivers.broker.connection import Broker, Connection
from rrjobs.errors import BrokerUnreachable, DriverError
from rrjobs.runtime.events import Events

CONNECT_S = 20.0
"""One attempt to connect, log in and declare."""

LEAST_S = 4.0
"""The same at the start, however little patience is left: less than this says nothing of a broker."""

FLAPPING_S = 2.0
"""The longest wait after the loss of a connection that worked: the broker is there, its link is bad. A longer one would
stop a pipeline for half a minute at every cut of a link that is cut often."""

CLOSE_S = 5.0
"""What a connection may take to be closed; a broker that does not answer is left."""

Serve = Callable[[Connection], Awaitable[str]]
"""Uses a connection until it is lost; the reason."""


class Link:
    """Owns the connection of one pipeline: makes it, makes it again, closes it."""

    def __init__(self, pipeline: str, broker: Broker, events: Events) -> None:
        self.trouble = ""
        self.current: Connection | None = None
        self._pipeline = pipeline
        self._broker = broker
        self._events = events
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._closed = asyncio.Event()
        self._connecting: asyncio.Timeout | None = None
        self._works = False
        self._hindered = ""
        self._down_since = asyncio.get_running_loop().time()

    @property
    def down_s(self) -> float:
        """For how long there has been no connection that works; 0 while there is one."""
        return 0.0 if self._works else asyncio.get_running_loop().time() - self._down_since

    def works(self) -> None:
        """The connection does what is wanted of it, unless it is hindered."""
        if not self._hindered:
            self._works = True
            self.trouble = ""

    def hindered(self, reason: str) -> None:
        """The connection lives and does not what is wanted; with an empty reason it does again."""
        before, self._hindered = self._hindered, reason
        if reason:
            self._fails()
            self._lost(reason)
        elif before:
            self.works()
            self._events.emit("broker.connected", pipeline=self._pipeline, broker=self._broker.place)

    async def open(self, patience_s: float) -> None:
        """The first connection. Raises BrokerRefused at once, BrokerUnreachable when `patience_s` is over."""
        deadline = asyncio.get_running_loop().time() + patience_s
        backoff = Backoff()
        while True:
            try:
                left_s = deadline - asyncio.get_running_loop().time()
                self._connected(await self._connect(min(CONNECT_S, max(left_s, LEAST_S))))
                return
            except BrokerUnreachable as err:
                wait_s = backoff.next_s()
                if asyncio.get_running_loop().time() + wait_s > deadline:
                    raise BrokerUnreachable(f"{err} (tried for {patience_s:g} s)") from err
                await asyncio.sleep(wait_s)

    async def run(self, serve: Serve) -> None:
        """Serve one connection after the other until `close`."""
        backoff = Backoff()
        while not self._closed.is_set():
            connection = self.current or await self._reconnected(backoff)
            if connection is None:
                return
            began = asyncio.get_running_loop().time()
            try:
                reason = await serve(connection)
                worked = self._works
            finally:
                self._disconnected()
                await _close(connection)
            if asyncio.get_running_loop().time() - began > CONNECT_S:
                backoff.reset()
            elif worked:
                backoff.limit(FLAPPING_S)
            if not self._closed.is_set():
                self._lost(reason)
                await self._pause(backoff.next_s())

    async def up(self, patience_s: float) -> Connection:
        """The live connection, once there is one. Raises BrokerUnreachable."""
        if self.current is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    while self.current is None and not self._closed.is_set():
                        await self._up.wait()
        if self.current is None or self._closed.is_set():
            raise BrokerUnreachable(self.trouble or f"there is no connection to {self._broker.place}")
        return self.current

    async def left(self, connection: Connection) -> None:
        """Wait until this connection, known to be lost, is let go of."""
        while self.current is connection:
            await self._down.wait()

    async def close(self) -> None:
        """No more connections; one that is being made is given up. `run` ends once `serve` has ended. Safe twice."""
        self._closed.set()
        self._up.set()
        self._down.set()
        if self._connecting is not None and not self._connecting.expired():
            self._connecting.reschedule(asyncio.get_running_loop().time())
        if (connection := self.current) is not None:
            self._disconnected()
            await _close(connection)

    async def _reconnected(self, backoff: Backoff) -> Connection | None:
        """None when the link was closed meanwhile."""
        while not self._closed.is_set():
            try:
                connection = await self._connect()
            except DriverError as err:
                if self._closed.is_set():
                    return None
                self._lost(str(err))
                await self._pause(backoff.next_s())
                continue
            if self._closed.is_set():
                await _close(connection)
                return None
            self._connected(connection)
            self._events.emit("broker.connected", pipeline=self._pipeline, broker=self._broker.place)
            return connection
        return None

    async def _connect(self, limit_s: float = CONNECT_S) -> Connection:
        try:
            async with asyncio.timeout(limit_s) as self._connecting:
                return await self._broker.connect()
        except TimeoutError as err:
            text = f"{self._broker.name} broker at {self._broker.place} did not answer within {limit_s:.0f} s"
            raise BrokerUnreachable(text) from err
        finally:
            self._connecting = None

    def _connected(self, connection: Connection) -> None:
        self.current = connection
        self._down.clear()
        self._up.set()

    def _fails(self) -> None:
        if self._works:
            self._works = False
            self._down_since = asyncio.get_running_loop().time()

    def _disconnected(self) -> None:
        self._fails()
        self._hindered = ""
        self.current = None
        self._down.set()
        if not self._closed.is_set():
            self._up.clear()

    def _lost(self, reason: str) -> None:
        """Told once for each reason."""
        if reason != self.trouble:
            self.trouble = reason
            self._events.emit("broker.lost", pipeline=self._pipeline, broker=self._broker.place, reason=reason)

    async def _pause(self, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._closed.wait()


async def _close(connection: Connection) -> None:
    with contextlib.suppress(TimeoutError, DriverError):
        async with asyncio.timeout(CLOSE_S):
            await connection.close()
