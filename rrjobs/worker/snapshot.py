"""What a pool and its workers look like at one moment."""

import time

from rrjobs.worker.info import PoolInfo, WorkerInfo, cpu_percent, resident_bytes
from rrjobs.worker.pool import Pool


def workers_of(pool: Pool) -> list[WorkerInfo]:
    """All of them, oldest first."""
    now = time.monotonic()
    return [
        WorkerInfo(
            pid=worker.pid,
            status=int(worker.state),
            status_text=worker.state.text,
            execs=worker.executions,
            created_ns=worker.created_ns,
            memory_bytes=resident_bytes(worker.pid),
            cpu_percent=cpu_percent(worker.pid, now - worker.created_at),
            command=pool.command,
            pool=pool.name,
        )
        for worker in pool.alive
    ]


def pool_info(pool: Pool) -> PoolInfo:
    """The pool as a whole."""
    span, longest = pool.range, next(iter(pool.running()), None)
    return PoolInfo(
        name=pool.name,
        plugin=pool.mode,
        workers=pool.target,
        min=span.min,
        max=span.max,
        reason=span.reason,
        changed_at=span.changed_at,
        waiting=pool.backlog().waiting,
        longest_id=longest.ident if longest else "",
        longest_pid=longest.pid if longest else 0,
        longest_s=round(longest.for_s, 3) if longest else 0.0,
    )
