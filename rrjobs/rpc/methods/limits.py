"""jobs.Limits, jobs.SetLimits, jobs.SetReserve: who may run, told and changed. RoadRunner has no such methods."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rrjobs.errors import RpcError, RRJobsError
from rrjobs.pipeline.limits.control import PipelineLimits, PoolReserve
from rrjobs.rpc.method import AnyMethod, Method
from rrjobs.rpc.shapes import ANYTHING, Value

_OBJECT: Value[dict[str, Any]] = Value({})


class Control(Protocol):
    """The limits of all pipelines and pools."""

    def pipelines(self, names: Sequence[str]) -> Sequence[PipelineLimits]: ...

    def pools(self) -> Sequence[PoolReserve]: ...

    def change(self, pipeline: str, changes: Mapping[str, object]) -> PipelineLimits: ...

    def change_pool(self, pool: str, workers: int, priority: int) -> PoolReserve: ...


class LimitsMethods:
    """The part of the service `jobs` that is about limits."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def methods(self) -> list[AnyMethod]:
        """All of it."""
        return [
            Method("jobs.Limits", _OBJECT, ANYTHING, self._limits),
            Method("jobs.SetLimits", _OBJECT, ANYTHING, self._set),
            Method("jobs.SetReserve", _OBJECT, ANYTHING, self._set_reserve),
        ]

    async def _limits(self, request: dict[str, Any]) -> dict[str, object]:
        names = request.get("pipelines") or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RpcError("jobs_limits: `pipelines` is a list of texts")
        try:
            pipelines = self._control.pipelines(names)
        except RRJobsError as err:
            raise RpcError(f"jobs_limits: {err}") from err
        return {
            "pipelines": [_pipeline(one) for one in pipelines],
            "pools": [_pool(one) for one in self._control.pools()],
        }

    async def _set(self, request: dict[str, Any]) -> dict[str, object]:
        name, changes = request.get("pipeline"), request.get("set")
        if not isinstance(name, str) or not isinstance(changes, dict) or not changes:
            raise RpcError("jobs_set_limits: `pipeline` is a text, `set` an object with the limits to change")
        try:
            return _pipeline(self._control.change(name, changes))
        except RRJobsError as err:
            raise RpcError(f"jobs_set_limits: {err}") from err

    async def _set_reserve(self, request: dict[str, Any]) -> dict[str, object]:
        pool, workers, priority = request.get("pool"), request.get("workers"), request.get("priority", 0)
        if not isinstance(pool, str) or type(workers) is not int or type(priority) is not int or workers < 0:
            text = "`pool` is a text, `workers` a number of 0 or more, `priority` a number"
            raise RpcError(f"jobs_set_reserve: {text}")
        try:
            return _pool(self._control.change_pool(pool, workers, priority))
        except RRJobsError as err:
            raise RpcError(f"jobs_set_reserve: {err}") from err


def _pipeline(told: PipelineLimits) -> dict[str, object]:
    standing = told.standing
    return {
        "pipeline": told.pipeline,
        "pool": told.pool,
        **told.limits.told(),
        "running": standing.running,
        "held": standing.held,
        "held_why": standing.why,
    }


def _pool(told: PoolReserve) -> dict[str, object]:
    return {"pool": told.pool, "size": told.size, "workers": told.workers, "priority": told.priority}
