"""What the workers of a pool are at, for how long, and who waits behind it."""

from collections.abc import Iterable
from dataclasses import dataclass

from rrjobs.worker.worker import Worker


@dataclass(frozen=True, slots=True)
class Running:
    """One execution. `for_s` since it began, of a stream since its last part; `behind`: deliveries written ahead.

    `unread`: the program has not even read it, as far as that can be seen (not on sockets).
    """

    pid: int
    ident: str
    for_s: float
    behind: int
    unread: bool = False


def running(workers: Iterable[Worker], now: float) -> list[Running]:
    """Every execution of the moment `now`, by the monotonic clock; the longest first."""
    found = [
        Running(worker.pid, head.ident, now - worker.last_used_at, worker.outstanding - 1, worker.reads_nothing)
        for worker in workers
        if (head := worker.session.head) is not None
    ]
    return sorted(found, key=lambda one: -one.for_s)
