"""A lane: the part of the priority queue that one pool serves."""

import asyncio
from collections import Counter
from collections.abc import Callable

from rrjobs.errors import PoolStopped
from rrjobs.pipeline.aging_lane_queue import AgingLaneQueue
from rrjobs.pipeline.capacity import Capacity
from rrjobs.pipeline.delivery import Delivery
from rrjobs.pipeline.feed_ahead import AheadFeed
from rrjobs.pipeline.feed_single import SingleFeed
from rrjobs.pipeline.feeder import Feeder
from rrjobs.pipeline.lane_queue import LaneQueue
from rrjobs.pipeline.oldest import Oldest
from rrjobs.pipeline.prefetch import Prefetch
from rrjobs.worker.pool import Pool
from rrjobs.worker.scaler import Backlog
from rrjobs.worker.worker import Worker


class Lane:
    """Sink for the drivers, borrower for the pool."""

    def __init__(self, name: str, pool: Pool, prefetch: Prefetch, capacity: Capacity) -> None:
        self.name = name
        self.pool = pool
        self.finished = 0
        self.draining = False
        self.quiet = asyncio.Event()
        self._oldest = Oldest() if pool.scales else None
        self._queue: LaneQueue = LaneQueue(capacity, self._oldest)
        self._prefetch = prefetch
        self._capacity = capacity
        self._feeder: Feeder = (
            AheadFeed(self._queue, pool, prefetch) if prefetch.deep else SingleFeed(self._queue, pool)
        )
        self.before_next = self._feeder.before_next
        """See Lender."""
        pool.lend_to(self)

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def running(self) -> int:
        """Deliveries that workers have."""
        return sum(worker.outstanding for worker in self.pool.alive)

    @property
    def behind(self) -> int:
        """Deliveries that wait: in the queue, or written to a worker that executes another one."""
        return len(self._queue) + sum(max(0, worker.outstanding - 1) for worker in self.pool.alive)

    def put(self, delivery: Delivery) -> None:
        """See Sink."""
        if self.draining:
            raise PoolStopped("the server is stopping")
        delivery.lane = self
        self._feeder.came(delivery)

    def offer(self, delivery: Delivery) -> bool:
        """See Sink."""
        if self.draining or self._queue.full:
            return False
        delivery.lane = self
        self._feeder.came(delivery)
        return True

    def when_room(self, wake: Callable[[], None]) -> None:
        """See Sink."""
        self._capacity.ask(wake)

    def let_age(self, agings: dict[str, float]) -> None:
        """From now on waiting counts for these pipelines, also for what is queued: `aging_s` by name."""
        queue = AgingLaneQueue(self._capacity, self._oldest, agings)
        self._queue.move_to(queue)
        self._queue = queue
        self._feeder.take_from(queue)

    def remove(self, pipeline: str) -> list[Delivery]:
        """See Sink."""
        return self._queue.take(lambda delivery: delivery.pipeline == pipeline)

    def give_back(self, delivery: Delivery) -> None:
        """See Lender."""
        if self.draining:
            delivery.dropped("the server is stopping")
            return
        self._queue.put_back(delivery)
        self._feeder.wake()

    def drop_all(self) -> Counter[str]:
        """Give every waiting delivery back to its driver, last first; how many there were of each mode."""
        waiting = self._queue.take(lambda delivery: True)
        wanted = [delivery for delivery in reversed(waiting) if not delivery.cancelled]
        for delivery in wanted:
            delivery.dropped("the server is stopping")
        return Counter(delivery.mode for delivery in wanted)

    def worker_free(self, worker: Worker) -> None:
        """See Borrower."""
        self._feeder.worker_free(worker)

    def progressed(self, worker: Worker, finished: int, elapsed_s: float) -> None:
        """See Borrower."""
        self.finished += finished
        if self._prefetch.deep:
            self._prefetch.observed(worker.session.last_kind, finished, elapsed_s)
        if worker.lendable and (not worker.limit or worker.remaining > 0):
            self._feeder.worker_free(worker)
        if self.draining and not self.running:
            self.quiet.set()

    def short_of_workers(self) -> None:
        """See Borrower."""
        if self.draining and not self.running:
            self.quiet.set()
        if self._queue:
            self.pool.demand(len(self._queue))

    def swallows(self, mode: str) -> None:
        """See Borrower."""
        self._prefetch.alone(mode)

    def backlog(self) -> Backlog:
        """See Borrower."""
        if self._queue.first() is None:
            return Backlog(0, 0.0, 0)
        if self._oldest is None:
            return Backlog(len(self._queue), 0.0, 0)
        return Backlog(len(self._queue), self._oldest.since, self._oldest.gone)
