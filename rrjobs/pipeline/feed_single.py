"""Feeding where each worker has one delivery at a time: who is free gets the first, and nothing is written ahead."""

import asyncio

from rrjobs.pipeline.delivery import Delivery
from rrjobs.pipeline.feeder import Feeder, cannot_be_lent
from rrjobs.pipeline.lane_queue import LaneQueue
from rrjobs.worker.pool import Pool
from rrjobs.worker.worker import Worker


class SingleFeed(Feeder):
    """A delivery that finds a free worker and nobody before it does not see the queue."""

    def __init__(self, queue: LaneQueue, pool: Pool) -> None:
        super().__init__(queue, pool)
        self._on_demand = pool.scales or pool.config.debug
        self._scheduled = False
        self._loop = asyncio.get_running_loop()

    def came(self, delivery: Delivery) -> None:
        """See Feeder."""
        if self._idle and not self._queue.size and self._lend_at_once(delivery):
            return
        self._queue.add(delivery)
        if self._on_demand or self._idle:
            self.wake()

    def wake(self) -> None:
        """See Feeder: at the next turn of the loop."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._feed)

    def worker_free(self, worker: Worker) -> None:
        """See Feeder."""
        if worker.session.loads:
            return
        queue = self._queue
        while (delivery := queue.next()) is not None:
            try:
                frame = delivery.encode()
            except ValueError as err:
                cannot_be_lent(delivery, err)
            else:
                worker.lend_one(delivery, frame)
                return
        if worker not in self._idle:
            self._idle.append(worker)

    def _feed(self) -> None:
        """Those who are free take what waits; what then still waits asks for more workers."""
        self._scheduled = False
        for _ in range(len(self._idle)):
            if not self._queue.size:
                return
            worker = self._take_idle()
            if worker.lendable:
                self.worker_free(worker)
        if self._queue.size:
            self._pool.demand(self._queue.size)
