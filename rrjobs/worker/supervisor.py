"""The limits of a worker's life: age, idleness, memory (spec/worker-and-http.md 3.6). exec_ttl is the worker's own."""

from rrjobs.worker.config import SupervisorConfig
from rrjobs.worker.info import resident_bytes
from rrjobs.worker.state import WorkerState
from rrjobs.worker.worker import Worker


def limit_reached(worker: Worker, limits: SupervisorConfig, now: float) -> WorkerState | None:
    """The state that names the limit this worker is over, or None."""
    if limits.ttl_s and now - worker.created_at >= limits.ttl_s:
        return WorkerState.TTL_REACHED
    if limits.max_worker_memory_mib and resident_bytes(worker.pid) >= limits.max_worker_memory_mib * 1024**2:
        return WorkerState.MAX_MEMORY_REACHED
    unused = not worker.executions or worker.outstanding
    if limits.idle_ttl_s and not unused and now - worker.last_used_at >= limits.idle_ttl_s:
        return WorkerState.IDLE_TTL_REACHED
    return None
