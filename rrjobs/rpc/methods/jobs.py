"""jobs.*: push, and what is done to pipelines (spec/jobs-and-rpc.md 2.1)."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rrjobs.errors import PushRefused, RpcError, RRJobsError
from rrjobs.pipeline.driver import DelayedJob
from rrjobs.pipeline.history import history_of
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.state import PipelineState
from rrjobs.rpc.messages import CLASSES, parse
from rrjobs.rpc.method import AnyMethod, Method
from rrjobs.rpc.pushed import SLICE_BYTES, batch, single, slices
from rrjobs.rpc.shapes import ANYTHING, EMPTY, Message, Value

_OBJECT: Value[dict[str, Any]] = Value({})


class Registry(Protocol):
    """Which pipelines exist, and the way into them."""

    async def push(self, jobs: Sequence[Job]) -> None: ...

    async def declare(self, spec: Mapping[str, str]) -> None: ...

    async def destroy(self, names: Sequence[str]) -> list[str]: ...

    async def pause(self, names: Sequence[str]) -> None: ...

    async def resume(self, names: Sequence[str]) -> None: ...

    async def stat(self) -> Sequence[PipelineState]: ...

    def names(self) -> list[str]: ...

    async def delayed(self, name: str, limit: int) -> Sequence[DelayedJob]: ...


class JobsMethods:
    """The service `jobs` on one registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def methods(self) -> list[AnyMethod]:
        """All of it."""
        pipelines = Message("Pipelines")
        return [
            Method("jobs.Push", Message("PushRequest"), EMPTY, self._push, on_proto=self._push_body),
            Method("jobs.PushBatch", Message("PushBatchRequest"), EMPTY, self._push_batch, on_proto=self._batch_body),
            Method("jobs.Pause", pipelines, EMPTY, self._pause, waits=True),
            Method("jobs.Resume", pipelines, EMPTY, self._resume, waits=True),
            Method("jobs.List", EMPTY, pipelines, self._list),
            Method("jobs.Declare", Message("DeclareRequest"), EMPTY, self._declare, waits=True),
            Method("jobs.Destroy", pipelines, pipelines, self._destroy, waits=True),
            Method("jobs.Stat", EMPTY, Message("Stats"), self._stat, waits=True),
            Method("jobs.Delayed", _OBJECT, ANYTHING, self._delayed, waits=True),
        ]

    async def _push_body(self, body: bytes) -> bytes:
        await self._push(parse("PushRequest", body))
        return b""

    async def _push(self, request: Any) -> None:
        try:
            job = single(request)
        except RpcError as err:
            raise _wrapped(err, "rpc_push") from err
        try:
            await self._registry.push((job,))
        except RRJobsError as err:
            raise _wrapped(err, "rpc_push", "jobs_plugin_push") from err

    async def _batch_body(self, body: bytes) -> bytes:
        if len(body) <= SLICE_BYTES:
            await self._push_batch(parse("PushBatchRequest", body))
        else:
            await self._push_slices(body)
        return b""

    async def _push_slices(self, body: bytes) -> None:
        accepted = 0
        for part in slices(body):
            try:
                accepted += await self._push_jobs(batch(parse("PushBatchRequest", part)))
            except PushRefused as err:
                raise _wrapped(_after(accepted, err), "rpc_push_batch", "jobs_plugin_push") from err
            except RpcError as err:
                raise _wrapped(_after(accepted, err), "rpc_push_batch") from err
            await asyncio.sleep(0)

    async def _push_batch(self, request: Any) -> None:
        try:
            await self._push_jobs(batch(request))
        except PushRefused as err:
            raise _wrapped(_after(0, err), "rpc_push_batch", "jobs_plugin_push") from err
        except RpcError as err:
            raise _wrapped(err, "rpc_push_batch") from err

    async def _push_jobs(self, jobs: list[Job]) -> int:
        try:
            await self._registry.push(jobs)
        except PushRefused:
            raise
        except RRJobsError as err:
            raise PushRefused(str(err)) from err
        return len(jobs)

    async def _pause(self, request: Any) -> None:
        await self._registry.pause(list(request.pipelines))

    async def _resume(self, request: Any) -> None:
        await self._registry.resume(list(request.pipelines))

    async def _list(self, _: None) -> Any:
        return CLASSES["Pipelines"](pipelines=self._registry.names())

    async def _declare(self, request: Any) -> None:
        try:
            await self._registry.declare(dict(request.pipeline))
        except RRJobsError as err:
            raise _wrapped(err, "rpc_declare_pipeline", "jobs_plugin_declare") from err

    async def _destroy(self, request: Any) -> Any:
        try:
            gone = await self._registry.destroy(list(request.pipelines))
        except RRJobsError as err:
            raise _wrapped(err, "rpc_destroy_pipeline", "jobs_plugin_destroy") from err
        return CLASSES["Pipelines"](pipelines=gone)

    async def _stat(self, _: None) -> Any:
        try:
            states = await self._registry.stat()
        except RRJobsError as err:
            raise _wrapped(err, "rpc_stats", "jobs_plugin_drivers_state") from err
        return _stats(states)

    async def _delayed(self, request: dict[str, Any]) -> list[dict[str, object]]:
        """Ours: the jobs of a pipeline that wait for their time, the first to come due first."""
        name, limit = request.get("pipeline"), request.get("limit", 100)
        if not isinstance(name, str) or type(limit) is not int or limit < 1:
            raise RpcError("json: `pipeline` is a text, `limit` a positive number")
        try:
            return [_delayed_job(one) for one in await self._registry.delayed(name, limit)]
        except RRJobsError as err:
            raise RpcError(str(err)) from err


def _delayed_job(delayed: DelayedJob) -> dict[str, object]:
    job = delayed.job
    past = history_of(job.headers)
    return {
        "id": job.id,
        "name": job.name,
        "priority": job.priority,
        "attempt": past.attempt,
        "crashes": past.crashes,
        "in_s": round(delayed.in_s, 3),
        "runs_at": round(time.time() + delayed.in_s, 3),
    }


def _stats(states: Sequence[PipelineState]) -> Any:
    reply = CLASSES["Stats"]()
    for state in states:
        reply.stats.add(
            pipeline=state.pipeline,
            driver=state.driver,
            queue=state.queue,
            active=state.active,
            delayed=state.delayed,
            reserved=state.reserved,
            ready=state.ready,
            priority=max(0, state.priority),
        )
    return reply


def _wrapped(err: RRJobsError, *operations: str) -> RpcError:
    """The text RoadRunner gives: operations and cause, each on its own indented line but the last two."""
    return RpcError(":\n\t".join(operations) + f": {err}")


def _after(accepted: int, err: RRJobsError) -> RRJobsError:
    """The same error, saying how many jobs of the batch were taken before it."""
    accepted += err.accepted if isinstance(err, PushRefused) else 0
    return PushRefused(f"{err} ({accepted} jobs of the batch were accepted before)") if accepted else err
