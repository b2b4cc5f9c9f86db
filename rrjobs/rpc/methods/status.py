"""status.*: whether a plugin is alive and ready (spec/jobs-and-rpc.md 2.6, 8.1)."""

from typing import Any, Protocol

from rrjobs.errors import RpcError
from rrjobs.rpc.method import AnyMethod, Method
from rrjobs.rpc.shapes import Message
from rrjobs.services.statuses import Verdict


class Statuses(Protocol):
    """The checks behind the status endpoints; None for a plugin that is not known."""

    def health(self, plugin: str) -> Verdict | None: ...

    async def ready(self, plugin: str) -> Verdict | None: ...


class StatusMethods:
    """The service `status`."""

    def __init__(self, statuses: Statuses) -> None:
        self._statuses = statuses

    def methods(self) -> list[AnyMethod]:
        """All of it."""
        request, response = Message("StatusRequest"), Message("StatusResponse")
        return [
            Method("status.Status", request, response, self._status),
            Method("status.Ready", request, response, self._ready, waits=True),
        ]

    async def _status(self, request: Any) -> Any:
        return _response(self._statuses.health(request.plugin), "checker_rpc_status", request.plugin)

    async def _ready(self, request: Any) -> Any:
        return _response(await self._statuses.ready(request.plugin), "checker_rpc_ready", request.plugin)


def _response(verdict: Verdict | None, operation: str, plugin: str) -> Any:
    """RoadRunner never fills the message; clients that show it can show ours."""
    from rrjobs.rpc.messages import CLASSES

    if verdict is None:
        raise RpcError(f"{operation}: no such plugin: {plugin}")
    return CLASSES["StatusResponse"](code=verdict.code, message=verdict.reason)
