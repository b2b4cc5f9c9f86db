"""The dispatcher: all lanes of the shared queue, their common capacity, and their drain."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from rrjobs.pipeline.capacity import Capacity
from rrjobs.pipeline.drain import STOPPING, Drain
from rrjobs.pipeline.driver import Sink
from rrjobs.pipeline.lane import Lane
from rrjobs.pipeline.limits.floor import Floor
from rrjobs.pipeline.prefetch import Prefetch
from rrjobs.runtime.events import Events
from rrjobs.worker.pool import Pool


class Dispatcher:
    """Owns the lanes. A lane is added once its pool has started."""

    def __init__(self, capacity: int, events: Events) -> None:
        self._capacity = Capacity(capacity)
        self.floor = Floor()
        self._lanes: dict[str, Lane] = {}
        self._events = events

    def add_lane(self, name: str, pool: Pool, prefetch: Mapping[str, int | str]) -> None:
        """Serve what is put into this lane from this pool; `prefetch` is a depth or `auto` per mode."""
        lane = self._lanes[name] = Lane(name, pool, Prefetch(prefetch), self._capacity)
        self.floor.add(lane)

    def sink(self, lane: str) -> Sink:
        """The way into a lane; raises KeyError."""
        return self._lanes[lane]

    def waiting(self, lane: str) -> int:
        """Deliveries in the queue."""
        return len(self._lanes[lane])

    def behind(self, lane: str) -> int:
        """Deliveries that wait, also those behind another one on the same worker."""
        return self._lanes[lane].behind

    def running(self, lane: str) -> int:
        """Deliveries that workers have."""
        return self._lanes[lane].running

    def executed(self, lane: str) -> int:
        """Deliveries finished since the start."""
        return self._lanes[lane].finished

    async def drain(self, deadline_s: float) -> Drain:
        """Lend nothing more, give back what waits, wait up to `deadline_s` for what runs.

        What is cut off is still with its worker: stopping the pools fails it.
        """
        lanes = list(self._lanes.values())
        for lane in lanes:
            lane.draining = True
        queued = self.floor.drop_all(STOPPING) + sum((lane.drop_all() for lane in lanes), Counter())
        drain = Drain([lane.pool for lane in lanes], queued)
        for lane in lanes:
            if not lane.running:
                lane.quiet.set()
        try:
            async with asyncio.timeout(deadline_s):
                for lane in lanes:
                    await lane.quiet.wait()
        except TimeoutError:
            drain.wait_is_over()
        return drain
