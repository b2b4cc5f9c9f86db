"""A small HTTP server for pages of the server itself: status, metrics."""

import socket
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from rrjobs.protocol.http1.answerer import BodySink
from rrjobs.protocol.http1.exchange import Exchange
from rrjobs.protocol.http1.head import ResponseHead
from rrjobs.protocol.http1.limits import Limits
from rrjobs.protocol.http1.request import Refusal
from rrjobs.protocol.http1.server import HttpServer
from rrjobs.runtime.address import Address, parse_address
from rrjobs.runtime.tasks import Tasks

TEXT = "text/plain; charset=utf-8"


class Page(NamedTuple):
    """An answer."""

    status: int
    body: bytes
    content_type: str = TEXT


Answer = Callable[[SplitResult], Awaitable[Page]]
"""From the parts of the request's target to its page; must not raise."""


class PageServer:
    """Answers every request by its target alone; `start` raises AddressError, `stop` is safe twice."""

    def __init__(self, address: str, answer: Answer, timeout_s: float) -> None:
        limits = Limits(body_bytes=65536, body_timeout_s=timeout_s, max_connections=256)
        self._server = HttpServer(parse_address(address), self, limits)
        self._answer = answer
        self._tasks = Tasks()

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._server.address

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """Those it listens at."""
        return self._server.sockets

    def bind(self) -> None:
        """Listen, so that clients may queue."""
        self._server.bind()

    async def start(self) -> None:
        """Listen if nobody did, and serve."""
        await self._server.start()

    async def stop(self) -> None:
        """Close everything."""
        await self._server.stop()
        await self._tasks.end()

    def body_sink(self, exchange: Exchange) -> BodySink | None:
        """See Handler; bodies are of no interest."""
        return None

    def refused(self, peer: str, refusal: Refusal) -> None:
        """See Handler."""

    def requested(self, exchange: Exchange) -> None:
        """See Handler."""
        self._tasks.start(self._serve(exchange))

    async def _serve(self, exchange: Exchange) -> None:
        try:
            target = urlsplit(exchange.request.target)
        except ValueError:
            exchange.answer(ResponseHead(400, {"Content-Type": [TEXT]}), b"400 bad request\n")
            return
        page = await self._answer(target)
        exchange.answer(ResponseHead(page.status, {"Content-Type": [page.content_type]}), page.body)
