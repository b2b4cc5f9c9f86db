"""One connection to RabbitMQ: aiormq's for what is rare, lanes for what passes once per message."""

import asyncio
import contextlib
import logging
import ssl
from itertools import count
from typing import Any, TypeVar

import aiormq
from aiormq.exceptions import AMQPError
from pamqp import commands
from yarl import URL

from rrjobs.drivers.amqp.address import Address
from rrjobs.drivers.amqp.lane import Lane
from rrjobs.drivers.amqp.tap import Tap, Taps, words_of
from rrjobs.drivers.amqp.words import connect_trouble
from rrjobs.errors import BrokerUnreachable, ConnectionLost

L = TypeVar("L", bound=Lane)

MOST_UNWRITTEN_BYTES = 4 * 2**20
"""Above it a publisher waits until the socket takes more."""

logging.getLogger("aiormq").setLevel(logging.CRITICAL + 1)  # all it has to say is in our events, without tracebacks


class Client:
    """Made by `connect`. `lost` is done once it is of no more use, with the reason; `blocked` is why it takes none."""

    def __init__(self, address: Address, connection: aiormq.Connection, tap: Tap, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        self.place = address.place
        self.frame_max = connection.connection_tune.frame_max or 131_072
        self.lost: asyncio.Future[str] = loop.create_future()
        self.blocked = ""
        self.unblocked = asyncio.Event()
        self.unblocked.set()
        self._connection = connection
        self._heartbeat_s = address.heartbeat_s
        self._tap = tap
        self._writer = writer
        self._loop = loop
        self._numbers = count(1)
        self._unwritten: list[bytes] = []
        tap.on_lost = self._is_lost
        tap.on_word = self._has_word

    @classmethod
    async def connect(cls, address: Address, context: ssl.SSLContext | None, name: str) -> "Client":
        """Raises BrokerUnreachable or BrokerRefused; safe to cancel. `name` is shown in the broker's lists."""
        taps = Taps(context)
        url = URL.build(
            scheme="amqp",  # whether there is TLS is for the context to say
            user=address.user,
            password=address.password,
            host=address.host,
            port=address.port,
            path="/",
            query={"heartbeat": str(address.heartbeat_s)},
        )
        connection = aiormq.Connection(url, transport_factory=taps, client_properties={"connection_name": name})
        connection.vhost = address.vhost
        try:
            async with asyncio.timeout(address.connect_s) as limit:
                await connection.connect()
        except (AMQPError, OSError, EOFError, ValueError, StopAsyncIteration) as err:
            if limit.expired():
                raise BrokerUnreachable(f"{address.place} did not answer within {address.connect_s:g} s") from err
            raise connect_trouble(err, address, taps.tap.last_words if taps.tap else "") from err
        except asyncio.CancelledError as err:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise BrokerUnreachable(f"{address.place} closed the connection during the login") from err
        assert taps.tap is not None and taps.writer is not None
        return cls(address, connection, taps.tap, taps.writer)

    async def lane(self, kind: type[L]) -> L:
        """A new channel, open. Raises ConnectionLost."""
        if self.lost.done():
            raise ConnectionLost(self.lost.result(), sent=False)
        lane = kind(self, next(self._numbers))
        self._tap.lanes[lane.number] = lane
        await lane.open()
        return lane

    def write(self, data: bytes) -> None:
        """See Wire."""
        if not self._unwritten:
            self._loop.call_soon(self._flush)
        self._unwritten.append(data)

    async def room(self) -> None:
        """Wait until the socket has taken most of what was written. Raises ConnectionLost."""
        if self._writer.transport.get_write_buffer_size() > MOST_UNWRITTEN_BYTES:
            try:
                await self._writer.drain()
            except OSError as err:
                raise ConnectionLost(f"the connection to {self.place} is lost: {err}") from err

    async def close(self) -> None:
        """Say goodbye as far as the broker listens; safe twice."""
        self._ended("closed")
        self._flush()
        try:
            with contextlib.suppress(AMQPError, OSError, RuntimeError):
                await self._connection.close()
        finally:
            self._writer.transport.abort()

    def _flush(self) -> None:
        if self._unwritten:
            data = self._unwritten[0] if len(self._unwritten) == 1 else b"".join(self._unwritten)
            self._unwritten.clear()
            if not self._writer.transport.is_closing():
                self._writer.transport.write(data)

    def _has_word(self, method: Any) -> None:
        if isinstance(method, commands.Connection.Blocked):
            self.blocked = words_of(method) or "an alarm"
            self.unblocked.clear()
        elif isinstance(method, commands.Connection.Unblocked):
            self.blocked = ""
            self.unblocked.set()
        else:
            self._ended(f"{self.place} closed the connection: {words_of(method)}")

    def _is_lost(self, err: Exception | None) -> None:
        silent_s = self._loop.time() - self._tap.heard_at
        if silent_s > self._heartbeat_s * 2:
            self._ended(f"{self.place} was not heard of for {silent_s:.0f} s")
        else:
            self._ended(f"the connection to {self.place} is lost" + (f": {err}" if err else ""))

    def _ended(self, reason: str) -> None:
        if self.lost.done():
            return
        self.lost.set_result(reason)
        self.unblocked.set()
        lost = ConnectionLost(reason)
        for lane in list(self._tap.lanes.values()):
            assert isinstance(lane, Lane)
            lane.end(lost)

    def forget(self, lane: Lane) -> None:
        """It is closed, or of no more use."""
        self._tap.lanes.pop(lane.number, None)
