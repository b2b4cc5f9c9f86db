"""What a pool keeps free: how many of its workers each kind of job may have.

A reservation is a number of workers for a pipeline, or for urgent jobs of all others. Jobs outside of some reservations
together never have more workers than these leave. So what has the only reservation of a pool is never held back, and
nobody is counted whom it does not concern. One of each kind may always go on: nothing waits for ever when workers die.
"""

from collections import Counter
from typing import Protocol

from rrjobs.pipeline.delivery import JobDelivery
from rrjobs.pipeline.limits.line import Line, Member
from rrjobs.pipeline.oldest import Oldest
from rrjobs.worker.pool import Borrower, Pool
from rrjobs.worker.scaler import Backlog
from rrjobs.worker.worker import Worker

_URGENT: Member = ("urgent", "")
_OTHERS: Member = ("others", "")
_PIPELINE = "pipeline"
"""Beside the two above, each pipeline with a reservation counts alone, as (_PIPELINE, its name)."""


class Waiter(Protocol):
    """A gate whose deliveries wait for this share."""

    def effective(self, line: Line) -> float:
        """The priority of the first that waits in this line, as waiting has lifted it."""
        ...

    def let_first(self, line: Line) -> None:
        """Try the first group of this line again."""
        ...


class Share:
    """One pool. `take` and `give` count the jobs that were let go on to it."""

    def __init__(self, name: str, pool: Pool) -> None:
        self.name = name
        self.urgent_priority = 0
        self._pool = pool
        self._reserved: dict[Member, int] = {}
        self._had: Counter[Member] = Counter()
        self._lines: dict[Member, dict[Waiter, Line]] = {}
        self._oldest = Oldest()
        self._waking = False
        self._watches = False

    @property
    def urgent_workers(self) -> int:
        """Workers that only urgent deliveries get."""
        return self._reserved.get(_URGENT, 0)

    @property
    def workers(self) -> int:
        """Workers there are: not those that boot, and in a reset not twice as many."""
        return min(self._pool.size, self._pool.target)

    @property
    def least_workers(self) -> int:
        """How many the pool always has."""
        return max(self._pool.config.fewest_workers, min(self._pool.target, self._pool.range.min))

    @property
    def free_of_limits(self) -> bool:
        """Whether every delivery gets a worker of its own."""
        return self._pool.config.debug

    def reserved_for(self, pipeline: str) -> int:
        """Workers that are kept free for this pipeline alone."""
        return self._reserved.get((_PIPELINE, pipeline), 0)

    def reserve(self, pipeline: str, workers: int) -> None:
        """So many for this pipeline from now on; who waits still has to be woken."""
        self._set((_PIPELINE, pipeline), workers)

    def reserve_urgent(self, workers: int, priority: int) -> None:
        """So many for jobs of this priority and lower numbers; gates have to sort their jobs anew."""
        self.urgent_priority = priority
        self._set(_URGENT, workers)

    def reserved(self, without: str = "") -> int:
        """Workers of all reservations, but for one pipeline's."""
        return sum(number for member, number in self._reserved.items() if member != (_PIPELINE, without))

    def restricts(self, pipeline: str) -> bool:
        """Whether jobs of this pipeline may have to wait here."""
        return any(member != (_PIPELINE, pipeline) for member in self._reserved)

    def member(self, delivery: JobDelivery) -> Member:
        """Whom this job counts with."""
        own = (_PIPELINE, delivery.pipeline)
        if own in self._reserved:
            return own
        urgent = _URGENT in self._reserved and delivery.priority <= self.urgent_priority
        return _URGENT if urgent else _OTHERS

    def free(self, member: Member) -> bool:
        """Whether one more of these may have a worker."""
        others = [(number - self._had[one], one) for one, number in self._reserved.items() if one != member]
        if not others or self._pool.config.debug:
            return True
        if not self._had[member]:
            return True
        unused = sum(spare for spare, _ in others if spare > 0) or max(spare for spare, _ in others)
        return sum(self._had.values()) + unused < self.workers

    def take(self, member: Member) -> None:
        """One of these was let go on."""
        self._had[member] += 1

    def give(self, member: Member) -> None:
        """One has ended; who waits still has to be woken."""
        self._had[member] -= 1
        if not self._had[member]:
            del self._had[member]

    def line(self, member: Member, waiter: Waiter) -> Line:
        """Where the groups of a gate wait that count with this member."""
        lines = self._lines.setdefault(member, {})
        if waiter not in lines:
            lines[waiter] = Line()
        return lines[waiter]

    def waits(self) -> None:
        """One more waits: a pool that can grow is told."""
        self._oldest.came()
        if self._pool.scales:
            self._pool.demand(self._waiting())

    def leave(self, waiter: Waiter) -> None:
        """The gate is gone, or sorts its groups anew."""
        for lines in self._lines.values():
            lines.pop(waiter, None)

    def wake(self) -> None:
        """Let go on whoever may, by priority."""
        if self._waking or not self._lines:
            return
        self._waking = True
        try:
            while (first := self._first()) is not None:
                waiter, line = first
                self._oldest.left(1, self._waiting())
                waiter.let_first(line)
        finally:
            self._waking = False

    def backlog(self, lane: Backlog) -> Backlog:
        """What waits in the lane, and here: for these no worker is free, however many idle."""
        waiting = self._waiting()
        if not waiting:
            return lane
        if not lane.waiting:
            return Backlog(waiting, self._oldest.since, self._oldest.gone, True)
        return Backlog(lane.waiting + waiting, min(lane.since, self._oldest.since), lane.gone + self._oldest.gone, True)

    def _set(self, member: Member, workers: int) -> None:
        if workers:
            self._reserved[member] = workers
        else:
            self._reserved.pop(member, None)
        if self._reserved and not self._watches and self._pool.borrower is not None:
            self._watches = True
            self._pool.lend_to(_Watching(self._pool.borrower, self))

    def _waiting(self) -> int:
        return sum(line.deliveries for lines in self._lines.values() for line in lines.values())

    def _first(self) -> tuple[Waiter, Line] | None:
        """The first of all that may go on."""
        best: tuple[float, Waiter, Line] | None = None
        for member, lines in self._lines.items():
            if not self.free(member):
                continue
            for waiter, line in lines.items():
                if line and (best is None or waiter.effective(line) < best[0]):
                    best = waiter.effective(line), waiter, line
        return best and best[1:]


class _Watching:
    """The lane as its pool's borrower, where new workers may let go on what waits for a share."""

    def __init__(self, lane: Borrower, share: Share) -> None:
        self._lane = lane
        self._share = share
        self.progressed = lane.progressed
        self.swallows = lane.swallows

    def worker_free(self, worker: Worker) -> None:
        """See Borrower: this one has just booted."""
        self._lane.worker_free(worker)
        self._share.wake()

    def short_of_workers(self) -> None:
        """See Borrower."""
        self._lane.short_of_workers()
        self._share.wake()

    def backlog(self) -> Backlog:
        """See Borrower."""
        return self._share.backlog(self._lane.backlog())
