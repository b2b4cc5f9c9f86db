"""informer.*: workers and pipelines as PHP's WorkerPool reads them (spec/jobs-and-rpc.md 2.5)."""

from collections.abc import Sequence
from typing import Protocol

from rrjobs.errors import RpcError
from rrjobs.pipeline.state import PipelineState
from rrjobs.rpc.method import AnyMethod, Method
from rrjobs.rpc.shapes import ANYTHING, TEXT


class Worker(Protocol):
    """What is told of one worker process; memory is resident bytes, `created_ns` unix nanoseconds."""

    @property
    def pid(self) -> int: ...
    @property
    def status(self) -> int: ...
    @property
    def status_text(self) -> str: ...
    @property
    def execs(self) -> int: ...
    @property
    def created_ns(self) -> int: ...
    @property
    def memory_bytes(self) -> int: ...
    @property
    def cpu_percent(self) -> float: ...
    @property
    def command(self) -> str: ...


class PoolSummary(Protocol):
    """What is told of one pool as a whole."""

    @property
    def name(self) -> str: ...
    @property
    def plugin(self) -> str: ...
    @property
    def workers(self) -> int: ...
    @property
    def min(self) -> int: ...
    @property
    def max(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def changed_at(self) -> float: ...
    @property
    def waiting(self) -> int: ...
    @property
    def longest_id(self) -> str: ...
    @property
    def longest_pid(self) -> int: ...
    @property
    def longest_s(self) -> float: ...


class Pools(Protocol):
    """Plugins that have workers, by RoadRunner's plugin names: `http`, `jobs`, ..."""

    def names(self) -> Sequence[str]: ...

    def has(self, name: str) -> bool:
        """Also for a name whose pool is listed under another one: `jobs` where one pool serves all."""
        ...

    def workers(self, name: str) -> Sequence[Worker]:
        """Empty for a name that is not known."""
        ...

    def pools(self) -> Sequence[PoolSummary]: ...

    async def add_worker(self, name: str) -> None: ...

    async def remove_worker(self, name: str) -> None: ...


class Pipelines(Protocol):
    """Where pipelines' states come from."""

    async def stat(self) -> Sequence[PipelineState]: ...


class InformerMethods:
    """The service `informer`; `pipelines` is None without a jobs section."""

    def __init__(self, pools: Pools, pipelines: Pipelines | None) -> None:
        self._pools = pools
        self._pipelines = pipelines

    def methods(self) -> list[AnyMethod]:
        """All of it."""
        return [
            Method("informer.List", ANYTHING, ANYTHING, self._list),
            Method("informer.Workers", TEXT, ANYTHING, self._workers),
            Method("informer.Pools", ANYTHING, ANYTHING, self._summaries),
            Method("informer.Jobs", TEXT, ANYTHING, self._jobs, waits=True),
            Method("informer.AddWorker", TEXT, ANYTHING, self._add, waits=True),
            Method("informer.RemoveWorker", TEXT, ANYTHING, self._remove, waits=True),
        ]

    async def _list(self, _: None) -> list[str]:
        return list(self._pools.names())

    async def _workers(self, plugin: str) -> dict[str, list[dict[str, object]]]:
        return {"workers": [_worker(info) for info in self._pools.workers(plugin)]}

    async def _summaries(self, _: None) -> list[dict[str, object]]:
        return [_summary(pool) for pool in self._pools.pools()]

    async def _jobs(self, plugin: str) -> list[dict[str, object]] | None:
        if plugin != "jobs" or self._pipelines is None:
            return None
        return [_pipeline(state) for state in await self._pipelines.stat()]

    async def _add(self, plugin: str) -> bool:
        await self._managed(plugin).add_worker(plugin)
        return False  # RoadRunner never sets the reply; PHP ignores it

    async def _remove(self, plugin: str) -> bool:
        await self._managed(plugin).remove_worker(plugin)
        return False

    def _managed(self, plugin: str) -> Pools:
        if not self._pools.has(plugin):
            raise RpcError(f"plugin does not support workers management: {plugin}")
        return self._pools


def _worker(info: Worker) -> dict[str, object]:
    """All eight keys have to be there."""
    return {
        "pid": info.pid,
        "status": info.status,
        "numExecs": info.execs,
        "created": info.created_ns,
        "memoryUsage": info.memory_bytes,
        "CPUPercent": info.cpu_percent,
        "command": info.command,
        "statusStr": info.status_text,
    }


def _summary(pool: PoolSummary) -> dict[str, object]:
    """RoadRunner has nothing like it."""
    return {
        "pool": pool.name,
        "plugin": pool.plugin,
        "workers": pool.workers,
        "min": pool.min,
        "max": pool.max,
        "reason": pool.reason,
        "changedAt": pool.changed_at,
        "waiting": pool.waiting,
        "longest": {"id": pool.longest_id, "pid": pool.longest_pid, "seconds": pool.longest_s}
        if pool.longest_id
        else None,
    }


def _pipeline(state: PipelineState) -> dict[str, object]:
    """Go's field names, and what is held back for limits."""
    return {
        "Pipeline": state.pipeline,
        "Driver": state.driver,
        "Queue": state.queue,
        "Active": state.active,
        "Delayed": state.delayed,
        "Reserved": state.reserved,
        "Ready": state.ready,
        "Priority": state.priority,
        "ErrorMessage": state.error,
        "Held": state.held,
        "HeldWhy": state.held_why,
    }
