"""The status endpoints: /health, /ready and /jobs over HTTP (spec/jobs-and-rpc.md 8.1)."""

import socket
from collections.abc import Mapping, Sequence
from urllib.parse import SplitResult, parse_qs

import orjson

from rrjobs.pipeline.state import PipelineState
from rrjobs.runtime.address import Address
from rrjobs.services.pages import Page, PageServer
from rrjobs.services.status_config import StatusConfig
from rrjobs.services.statuses import OK, UNAVAILABLE, Statuses, Verdict

_STOPPING = b"service is shutting down"


class StatusServer:
    """Answers GET requests; `start` raises AddressError, `stop` is safe twice."""

    def __init__(self, config: StatusConfig, statuses: Statuses) -> None:
        self._server = PageServer(config.address, self._page, config.check_timeout_s)
        self._unavailable = config.unavailable_status_code
        self._statuses = statuses

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._server.address

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """Those it listens at."""
        return self._server.sockets

    def blocked(self, reason: str) -> tuple[int, bytes]:
        """What every question is answered while the event loop cannot; called in another thread."""
        return self._report({name: Verdict(UNAVAILABLE, reason) for name in self._statuses.names})

    def bind(self) -> None:
        """Listen, so that clients may queue."""
        self._server.bind()

    async def start(self) -> None:
        """Listen if nobody did, and serve."""
        await self._server.start()

    async def stop(self) -> None:
        """Close everything."""
        await self._server.stop()

    async def _page(self, target: SplitResult) -> Page:
        plugins = parse_qs(target.query).get("plugin", [])
        if target.path == "/health":
            return Page(*self._health(plugins))
        if target.path == "/ready":
            return Page(*await self._ready(plugins))
        if target.path == "/jobs":
            return Page(*await self._jobs())
        return Page(404, b"404 page not found\n")

    def _health(self, plugins: Sequence[str]) -> tuple[int, bytes]:
        if self._statuses.stopping:
            return OK, _STOPPING
        return self._report({name: self._statuses.health(name) for name in plugins or self._statuses.names})

    async def _ready(self, plugins: Sequence[str]) -> tuple[int, bytes]:
        if self._statuses.stopping:
            return self._unavailable, _STOPPING
        return self._report({name: await self._statuses.ready(name) for name in plugins or self._statuses.names})

    async def _jobs(self) -> tuple[int, bytes]:
        if self._statuses.stopping:
            return self._unavailable, _STOPPING
        states = await self._statuses.pipelines()
        if states is None:
            return self._unavailable, b"jobs plugin not found"
        return OK, orjson.dumps([_row(state) for state in states])

    def _report(self, verdicts: Mapping[str, Verdict | None]) -> tuple[int, bytes]:
        known = {name: verdict for name, verdict in verdicts.items() if verdict is not None}
        rows = [
            {"plugin_name": name, "error_message": verdict.reason, "status_code": verdict.code}
            for name, verdict in known.items()
        ]
        bad = any(verdict.code >= UNAVAILABLE for verdict in known.values())
        return self._unavailable if bad else OK, orjson.dumps(rows)


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
