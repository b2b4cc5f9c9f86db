"""A lane: the part of the priority queue that one pool serves, and the feeding of that pool.

Free workers come first. Only when none is free are deliveries written ahead, within the prefetch depth, and always
the first of the queue: when that one may not ride behind others, nothing does.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from rrjobs.errors import PoolStopped
from rrjobs.pipeline.delivery import Delivery
from rrjobs.pipeline.oldest import Oldest
from rrjobs.pipeline.prefetch import Prefetch
from rrjobs.pipeline.priority_queue import PriorityQueue
from rrjobs.worker.load import Fault, FaultKind, Load
from rrjobs.worker.pool import Pool
from rrjobs.worker.scaler import Backlog
from rrjobs.worker.worker import Worker

Batch = list[tuple[Load, bytes]]


class Capacity:
    """How many deliveries wait in all lanes together, and who waits for room."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.waiting = 0
        self.wakers: deque[Callable[[], None]] = deque()

    def ask(self, wake: Callable[[], None]) -> None:
        """Call once when there is room."""
        self.wakers.append(wake)

    def release(self) -> None:
        """Some left the queue: wake who fits."""
        for _ in range(min(len(self.wakers), self.limit - self.waiting)):
            self.wakers.popleft()()


class Lane:
    """Sink for the drivers, borrower for the pool."""

    def __init__(self, name: str, pool: Pool, prefetch: Prefetch, capacity: Capacity) -> None:
        self.name = name
        self.pool = pool
        self.finished = 0
        self.draining = False
        self.quiet = asyncio.Event()
        self._queue: PriorityQueue[Delivery] = PriorityQueue()
        self._prefetch = prefetch
        self._capacity = capacity
        self._scheduled = False
        self._oldest = Oldest() if pool.scales else None
        self._on_demand = pool.scales or pool.config.debug
        self._loop = asyncio.get_running_loop()
        pool.borrower = self

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
        self._queue.push(delivery.priority, delivery)
        self._capacity.waiting += 1
        self._wake()

    def offer(self, delivery: Delivery) -> bool:
        """See Sink."""
        if self.draining or self._capacity.waiting >= self._capacity.limit:
            return False
        delivery.lane = self
        self._queue.push(delivery.priority, delivery)
        self._capacity.waiting += 1
        self._wake()
        return True

    def when_room(self, wake: Callable[[], None]) -> None:
        """See Sink."""
        self._capacity.ask(wake)

    def remove(self, pipeline: str) -> list[Delivery]:
        """See Sink."""
        taken = self._queue.take(lambda delivery: delivery.pipeline == pipeline)
        self._left(len(taken))
        return taken

    def give_back(self, delivery: Delivery) -> None:
        """See Lender."""
        if self.draining:
            delivery.dropped("the server is stopping")
            return
        self._queue.push_front(delivery.priority, (delivery,))
        self._capacity.waiting += 1
        self._wake()

    def drop_all(self) -> Counter[str]:
        """Give every waiting delivery back to its driver, last first; how many there were of each mode."""
        waiting = self._queue.take(lambda delivery: True)
        self._left(len(waiting))
        wanted = [delivery for delivery in reversed(waiting) if not delivery.cancelled]
        for delivery in wanted:
            delivery.dropped("the server is stopping")
        return Counter(delivery.mode for delivery in wanted)

    def worker_free(self, worker: Worker) -> None:
        """See Borrower."""
        outstanding = worker.outstanding
        if outstanding == 0:
            if not self._queue:
                if worker not in self.pool.idle:
                    self.pool.idle.append(worker)
                return
        elif outstanding > worker.depth_cap // 2:
            return
        if self._queue:
            self._fill(worker)

    def progressed(self, worker: Worker, finished: int, elapsed_s: float) -> None:
        """See Borrower."""
        self.finished += finished
        if self._prefetch.deep:
            self._prefetch.observed(worker.session.last_kind, finished, elapsed_s)
        if worker.lendable and worker.remaining > 0:
            self.worker_free(worker)
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
        if self._first() is None:
            return Backlog(0, 0.0, 0)
        if self._oldest is None:
            return Backlog(len(self._queue), 0.0, 0)
        return Backlog(len(self._queue), self._oldest.since, self._oldest.gone)

    def _wake(self) -> None:
        if self._oldest is not None:
            self._oldest.came()
        if not self._scheduled and (self.pool.idle or self._prefetch.deep or self._on_demand):
            self._scheduled = True
            self._loop.call_soon(self._feed)

    def _feed(self) -> None:
        """Once per turn of the loop: one delivery to each free worker in turn, then deeper, one write per worker."""
        self._scheduled = False
        idle = self.pool.idle
        batches: list[tuple[Worker, Batch]] = []
        while idle and len(batches) < len(self._queue):
            worker = idle.popleft() if self._oldest is None else idle.pop()  # else none would idle for long
            if worker.lendable and not worker.outstanding:
                batches.append((worker, []))
        while batches and self._queue:
            if not sum([self._take(worker, batch) for worker, batch in batches]):
                break
        for worker, batch in batches:
            if batch:
                worker.lend(batch)
            else:
                self.worker_free(worker)
        if self._queue and not idle:
            self._ride()

    def _ride(self) -> None:
        """Nobody is free: write ahead where that is allowed."""
        self.pool.demand(len(self._queue))
        if not self._prefetch.deep:
            return
        for worker in self.pool.busy:
            if worker.outstanding <= worker.depth_cap // 2:
                self._fill(worker)

    def _fill(self, worker: Worker) -> None:
        batch: Batch = []
        while self._queue and self._take(worker, batch):
            if batch and not self._prefetch.deep:
                break
        if batch:
            worker.lend(batch)
        elif not worker.outstanding and worker not in self.pool.idle:
            self.pool.idle.append(worker)

    def _take(self, worker: Worker, batch: Batch) -> bool:
        """Move the first delivery of the queue into the batch for this worker, if it may ride there."""
        delivery = self._first()
        if delivery is None:
            return False
        held = worker.outstanding + len(batch)
        depth = self._prefetch.depth(delivery.mode, delivery.kind)
        if held:
            depth = min(depth, worker.depth_cap)
            if held >= depth or held > len(self._queue) // self.pool.size or worker.remaining <= len(batch):
                return False
        elif worker.remaining <= 0:
            return False
        self._queue.pop()
        self._left(1)
        try:
            frame = delivery.encode()
        except ValueError as err:
            delivery.failed(Fault(FaultKind.ERROR, f"cannot be put into a frame: {err}"))
            return True
        if held and worker.session.unread_bytes + sum(len(one) + 32 for _, one in batch) + len(frame) > (
            worker.session.window_bytes
        ):
            self.give_back(delivery)
            return False
        worker.depth_cap = depth
        batch.append((delivery, frame))
        return True

    def _first(self) -> Delivery | None:
        """The first delivery that somebody still wants."""
        while (delivery := self._queue.peek()) is not None and delivery.cancelled:
            self._queue.pop()
            self._left(1)
        return delivery

    def _left(self, number: int) -> None:
        self._capacity.waiting -= number
        if self._oldest is not None:
            self._oldest.left(number, len(self._queue))
        if self._capacity.wakers:
            self._capacity.release()
