"""HTTP as a source of deliveries."""

import asyncio
import contextlib

from rrjobs.drivers.http.bodies import Bodies
from rrjobs.drivers.http.config import HttpConfig
from rrjobs.drivers.http.gate import Gate
from rrjobs.errors import AlreadyInState
from rrjobs.pipeline.driver import Sink, SourceState
from rrjobs.protocol.http1.limits import Limits
from rrjobs.protocol.http1.server import HttpServer
from rrjobs.runtime.address import Address, parse_address
from rrjobs.runtime.events import Events
from rrjobs.worker.config import PoolConfig


class HttpDriver:
    """One HTTP/1.1 listener in front of the pipeline.

    Life: `start` listens, `run` returns after `close`. To drain: `stop_accepting`; `last_answers` where another server
    takes the place of this one; `draining`, `silence`, `close`.
    """

    def __init__(
        self,
        config: HttpConfig,
        events: Events,
        *,
        pool: PoolConfig | None = None,
        owner: tuple[int, int] | None = None,
    ) -> None:
        """`pool`: the one that serves, if it is not `http.pool`. `owner`: user and group who get uploaded files."""
        self._bodies = Bodies(config, owner)
        self._gate = Gate(config, pool or config.pool, events, self._bodies)
        self._server = HttpServer(parse_address(config.address), self._gate, limits_of(config))
        self._closed = asyncio.Event()
        self._started = False

    @property
    def address(self) -> Address:
        """Where it listens, with the real port once started."""
        return self._server.address

    @property
    def active(self) -> int:
        """Requests waiting for a worker or on one."""
        return self._gate.active

    @property
    def turned_away(self) -> int:
        """Requests for which no worker was free in time."""
        return self._gate.turned_away

    @property
    def body_bytes(self) -> int:
        """What bodies of requests take in memory."""
        return self._server.bodies.held

    @property
    def shed(self) -> int:
        """Requests sent away because others wait too long already."""
        return self._gate.shed

    @property
    def sent_away(self) -> int:
        """Requests answered with 503, because the server stops or is paused, that were never in the queue."""
        return self._gate.sent_away

    def bind(self) -> None:
        """Listen, so that clients may queue; raises AddressError."""
        self._server.bind()

    async def start(self, sink: Sink) -> None:
        """Listen if nobody did, and serve; raises AddressError. Requests go into `sink`."""
        self._bodies.open()
        self._gate.start(sink)
        await self._server.start()
        self._started = True

    async def run(self, sink: Sink) -> None:
        """Serve until `close`; starts if nobody did."""
        if not self._started:
            await self.start(sink)
        await self._closed.wait()

    async def pause(self) -> None:
        """Answer new requests with 503; those under way go on."""
        if not self._gate.open:
            raise AlreadyInState("http is paused already")
        self._gate.open = False

    async def resume(self) -> None:
        """Take requests again."""
        if self._gate.open:
            raise AlreadyInState("http is not paused")
        self._gate.open = True

    async def state(self) -> SourceState:
        """`active` counts requests waiting or on a worker."""
        return SourceState("http", str(self.address), self._gate.open, active=self._gate.active)

    def stop_accepting(self) -> None:
        """No new connections."""
        self._server.stop_accepting()

    def draining(self, retry_after_s: float) -> None:
        """Answer what is under way, send new requests away with 503 and Retry-After, close what has long been idle."""
        self._gate.pages.leave(retry_after_s)
        self._gate.open = False
        self._server.drain()

    async def last_answers(self, within_s: float) -> None:
        """Serve as before, but let every client go after its next answer; until all have gone or the time is over."""
        self._server.last_answers()
        await self._gone_within(within_s)

    async def silence(self, fresh_s: float, within_s: float) -> None:
        """When it is `draining`: wait until everybody has an answer; who asks for nothing is let go after `fresh_s`."""
        await self._gone_within(min(fresh_s, within_s))
        self._server.end_silent()
        await self._gone_within(max(0.0, within_s - fresh_s))

    async def _gone_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._server.wait_closed()

    async def close(self) -> None:
        """Close every connection, answered or not; safe twice and before `start`."""
        self._gate.close()
        await self._server.stop()
        await self._bodies.close()
        self._closed.set()


def limits_of(config: HttpConfig) -> Limits:
    """The bounds that the protocol room enforces."""
    limits = config.limits
    return Limits(
        header_bytes=limits.header_bytes,
        line_bytes=limits.line_bytes,
        headers=limits.headers,
        body_bytes=config.max_request_bytes,
        all_bodies_bytes=limits.bodies_bytes,
        header_timeout_s=limits.header_timeout_s,
        body_timeout_s=limits.body_timeout_s,
        write_timeout_s=limits.write_timeout_s,
        idle_timeout_s=limits.idle_timeout_s,
        max_connections=limits.max_connections,
        max_pipelined=limits.max_pipelined,
    )
