"""Feeding with prefetch: when nobody is free, deliveries are written ahead to workers that execute others.

That is done within the depth of each kind, and always with the first of the queue: when that one may not ride behind
others, nothing does.
"""

import asyncio
import math
from collections.abc import Callable

from rrjobs.pipeline.delivery import Delivery
from rrjobs.pipeline.feeder import Feeder, cannot_be_lent
from rrjobs.pipeline.lane_queue import LaneQueue
from rrjobs.pipeline.prefetch import Prefetch
from rrjobs.worker.load import Load
from rrjobs.worker.pool import Pool
from rrjobs.worker.worker import Worker

_FENCE_BYTES = 32
"""No fence is longer."""


class Batch(list[tuple[Load, bytes]]):
    """What one worker gets in one write, at most so many bytes with the fences."""

    __slots__ = ("size_bytes",)

    def __init__(self) -> None:
        super().__init__()
        self.size_bytes = 0


class AheadFeed(Feeder):
    """A delivery that finds a free worker and nobody before it does not see the queue.

    What waits goes out once per turn of the loop: one to each free worker in turn, then deeper, one write per worker.
    """

    def __init__(self, queue: LaneQueue, pool: Pool, prefetch: Prefetch) -> None:
        super().__init__(queue, pool)
        self._prefetch = prefetch
        self._before: list[Callable[[], None]] = []
        self.before_next = self._before
        self._scheduled = False
        self._ride_at = 0.0  # how many must wait before it is of use to write ahead to somebody
        self._on_demand = pool.scales or pool.config.debug
        self._loop = asyncio.get_running_loop()

    def came(self, delivery: Delivery) -> None:
        """See Feeder."""
        queue = self._queue
        if self._idle and not queue.size and self._lend_at_once(delivery):
            return
        queue.add(delivery)
        if not self._scheduled and (self._idle or queue.size >= self._ride_at):
            self.wake()

    def _lend(self, worker: Worker, delivery: Delivery, frame: bytes) -> None:
        worker.depth_cap = self._prefetch.depth(delivery.mode, delivery.kind)
        if self._before:
            self._call_before()
        worker.lend_one(delivery, frame)
        self._note_room(worker)

    def _send(self, worker: Worker, batch: Batch) -> None:
        if self._before:
            self._call_before()
        worker.lend(batch)
        self._note_room(worker)

    def _call_before(self) -> None:
        for act in self._before:
            act()
        self._before.clear()

    def wake(self) -> None:
        """See Feeder: once per turn of the loop, so that each worker gets one write."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._feed)

    def worker_free(self, worker: Worker) -> None:
        """See Feeder."""
        if self._queue.size:
            if len(worker.session.loads) <= self._few(worker):
                self._fill(worker)
        elif not worker.session.loads and worker not in self._idle:
            self._idle.append(worker)

    def _few(self, worker: Worker) -> int:
        """With more loads than this it is left alone: its share of what waits comes in few big writes."""
        cap, share = worker.depth_cap, self._queue.size // self._pool.size
        return min(cap - 1, (share + 1) // 2 if share < cap else (cap + 1) // 2)

    def _feed(self) -> None:
        self._scheduled = False
        idle, queue = self._idle, self._queue
        batches: list[tuple[Worker, Batch]] = []
        while idle and len(batches) < queue.size:
            worker = self._take_idle()
            if worker.lendable and not worker.session.loads:
                batches.append((worker, Batch()))
        while batches and queue.size:
            if not sum([self._take(worker, batch) for worker, batch in batches]):
                break
        for worker, batch in batches:
            if batch:
                self._send(worker, batch)
            else:
                self.worker_free(worker)
        if queue.size and not idle:
            self._ride()

    def _ride(self) -> None:
        """Nobody is free: write ahead where that is allowed, and look again when so many wait that it may be."""
        self._pool.demand(self._queue.size)
        self._ride_at = math.inf
        for worker in self._pool.busy:
            if len(worker.session.loads) <= self._few(worker):
                self._fill(worker)
            self._note_room(worker)
        if self._on_demand:
            self._ride_at = 0.0

    def _note_room(self, worker: Worker) -> None:
        """When so many wait, it has few. One that is full takes none before its next answer, which asks by itself."""
        outstanding, cap = len(worker.session.loads), worker.depth_cap
        if outstanding < cap and outstanding <= (cap + 1) // 2:
            self._ride_at = min(self._ride_at, (2 * outstanding - 1) * self._pool.size)

    def _fill(self, worker: Worker) -> None:
        batch = Batch()
        loads = worker.session.loads
        if loads:
            worker.depth_cap = min([self._prefetch.depth(load.mode, load.kind) for load, _ in loads])
        while self._queue.size and self._take(worker, batch):
            pass
        if batch:
            self._send(worker, batch)
        elif not loads and worker not in self._idle:
            self._idle.append(worker)

    def _take(self, worker: Worker, batch: Batch) -> bool:
        """Move the first delivery of the queue into the batch for this worker, if it may ride there."""
        delivery = self._queue.first()
        if delivery is None:
            return False
        held = len(worker.session.loads) + len(batch)
        depth = self._prefetch.depth(delivery.mode, delivery.kind)
        if held:
            depth = min(depth, worker.depth_cap)
            if held >= depth or held > self._queue.size // self._pool.size or worker.remaining <= len(batch):
                return False
        elif worker.remaining <= 0:
            return False
        self._queue.leave()
        try:
            frame = delivery.encode()
        except ValueError as err:
            cannot_be_lent(delivery, err)
            return True
        if held and not _fits(worker, batch, frame):
            self._queue.put_back(delivery)  # the worker's next answer asks again
            delivery.not_lent()
            return False
        worker.depth_cap = depth
        batch.append((delivery, frame))
        batch.size_bytes += len(frame) + _FENCE_BYTES
        return True


def _fits(worker: Worker, batch: Batch, frame: bytes) -> bool:
    """Whether the worker's pipe takes it beside all that it holds."""
    session = worker.session
    return session.unread_bytes + batch.size_bytes + len(frame) <= session.window_bytes
