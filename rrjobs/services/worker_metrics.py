"""Workers as metrics (spec/jobs-and-rpc.md 7.3), and the lanes that feed them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from rrjobs.services.exposition import Family, Sample, single
from rrjobs.worker.info import WorkerInfo


class Pools(Protocol):
    """Pools by the plugin they serve."""

    def names(self) -> Sequence[str]: ...
    def workers(self, name: str) -> Sequence[WorkerInfo]: ...


class Lanes(Protocol):
    """What waits and runs, by lane."""

    def waiting(self, lane: str) -> int: ...
    def running(self, lane: str) -> int: ...
    def executed(self, lane: str) -> int: ...


def worker_families(pools: Pools) -> Iterator[Family]:
    """Under `rr_http`, `rr_jobs`, `rr_any`."""
    for plugin in pools.names():
        yield from _of_plugin(f"rr_{plugin}", pools.workers(plugin))


def _of_plugin(prefix: str, workers: Sequence[WorkerInfo]) -> Iterator[Family]:
    pids = [(("pid", str(one.pid)),) for one in workers]
    ready = sum(one.status_text == "ready" for one in workers)
    working = sum(one.status_text == "working" for one in workers)
    memory = [Sample(one.memory_bytes, pid) for one, pid in zip(workers, pids, strict=True)]
    states = [Sample(0, (("state", one.status_text), *pid)) for one, pid in zip(workers, pids, strict=True)]
    total = sum(one.memory_bytes for one in workers)
    yield single(f"{prefix}_total_workers", "gauge", "Total number of workers used by the plugin", len(workers))
    yield single(f"{prefix}_workers_memory_bytes", "gauge", "Memory usage by workers.", total)
    yield Family(f"{prefix}_worker_memory_bytes", "gauge", "Worker current memory usage", memory)
    yield Family(f"{prefix}_worker_state", "gauge", "Worker current state", states)
    yield single(f"{prefix}_workers_ready", "gauge", "Workers currently in ready state", ready)
    yield single(f"{prefix}_workers_working", "gauge", "Workers currently in working state", working)
    others = len(workers) - ready - working
    yield single(f"{prefix}_workers_invalid", "gauge", "Workers currently in any other state", others)


def lane_families(lanes: Lanes, names: Sequence[str]) -> Iterator[Family]:
    """Of the shared queue; RoadRunner has nothing like it."""
    kinds: tuple[tuple[str, str, str, Callable[[str], int]], ...] = (
        ("rrjobs_lane_waiting", "gauge", "Deliveries waiting for a worker", lanes.waiting),
        ("rrjobs_lane_running", "gauge", "Deliveries that workers have", lanes.running),
        ("rrjobs_lane_executed_total", "counter", "Deliveries that workers have finished", lanes.executed),
    )
    for name, kind, help, count in kinds:
        yield Family(name, kind, help, [Sample(count(lane), (("lane", lane),)) for lane in names])
