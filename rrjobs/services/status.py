"""The status endpoints: /health, /ready and /jobs over HTTP (spec/jobs-and-rpc.md 8.1)."""

import asyncio
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

import orjson

from rrjobs.pipeline.state import PipelineState
from rrjobs.protocol.http1.answerer import BodySink
from rrjobs.protocol.http1.exchange import Exchange
from rrjobs.protocol.http1.head import ResponseHead
from rrjobs.protocol.http1.limits import Limits
from rrjobs.protocol.http1.request import Refusal
from rrjobs.protocol.http1.server import HttpServer
from rrjobs.runtime.address import Address, parse_address
from rrjobs.services.status_config import StatusConfig
from rrjobs.services.statuses import OK, Statuses

_TEXT = {"Content-Type": ["text/plain; charset=utf-8"]}
_STOPPING = b"service is shutting down"


class StatusServer:
    """Answers GET requests; `start` raises AddressError, `stop` is safe twice."""

    def __init__(self, config: StatusConfig, statuses: Statuses) -> None:
        limits = Limits(body_bytes=65536, body_timeout_s=config.check_timeout_s, max_connections=256)
        self._server = HttpServer(parse_address(config.address), self, limits)
        self._unavailable = config.unavailable_status_code
        self._statuses = statuses
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._server.address

    async def start(self) -> None:
        """Listen."""
        await self._server.start()

    async def stop(self) -> None:
        """Close everything."""
        await self._server.stop()
        for task in list(self._tasks):
            task.cancel()

    def body_sink(self, exchange: Exchange) -> BodySink | None:
        """See Handler; bodies are of no interest."""
        return None

    def refused(self, peer: str, refusal: Refusal) -> None:
        """See Handler."""

    def requested(self, exchange: Exchange) -> None:
        """See Handler."""
        task = asyncio.get_running_loop().create_task(self._answer(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, exchange: Exchange) -> None:
        target = urlsplit(exchange.request.target)
        plugins = parse_qs(target.query).get("plugin", [])
        if target.path == "/health":
            status, body = self._health(plugins)
        elif target.path == "/ready":
            status, body = await self._ready(plugins)
        elif target.path == "/jobs":
            status, body = await self._jobs()
        else:
            status, body = 404, b"404 page not found\n"
        exchange.answer(ResponseHead(status, _TEXT), body)

    def _health(self, plugins: Sequence[str]) -> tuple[int, bytes]:
        if self._statuses.stopping:
            return OK, _STOPPING
        entries = [(name, self._statuses.health(name), "") for name in plugins or self._statuses.names]
        return self._report(entries)

    async def _ready(self, plugins: Sequence[str]) -> tuple[int, bytes]:
        if self._statuses.stopping:
            return self._unavailable, _STOPPING
        entries = [(name, self._statuses.ready(name), "") for name in plugins or self._statuses.names]
        idle = [] if plugins and "jobs" not in plugins else await self._statuses.idle_pipelines()
        if idle:
            entries.append(("jobs", self._unavailable, f"pipelines that should consume and do not: {', '.join(idle)}"))
        return self._report(entries)

    async def _jobs(self) -> tuple[int, bytes]:
        if self._statuses.stopping:
            return self._unavailable, _STOPPING
        states = await self._statuses.pipelines()
        if states is None:
            return self._unavailable, b"jobs plugin not found"
        return OK, orjson.dumps([_row(state) for state in states])

    def _report(self, entries: Sequence[tuple[str, int | None, str]]) -> tuple[int, bytes]:
        rows = []
        status = OK
        for name, code, error in entries:
            if code is None:
                continue
            if code >= 500:
                status = self._unavailable
                error = error or "internal server error, see logs"
            rows.append({"plugin_name": name, "error_message": error, "status_code": code})
        return status, orjson.dumps(rows)


def _row(state: PipelineState) -> dict[str, object]:
    return {
        "pipeline": state.pipeline,
        "priority": state.priority,
        "ready": state.ready,
        "queue": state.queue,
        "active": state.active,
        "delayed": state.delayed,
        "reserved": state.reserved,
        "driver": state.driver,
        "error_message": state.error,
    }
