"""The dispatcher: all lanes of the shared queue, their common capacity, and their drain."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from rrjobs.pipeline.driver import Sink
from rrjobs.pipeline.lane import Capacity, Lane
from rrjobs.pipeline.prefetch import Prefetch
from rrjobs.runtime.events import Events
from rrjobs.worker.pool import Pool


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What became of the deliveries at the end: executed, given back unstarted, cut off by the grace period."""

    finished: int
    returned: int
    cut_off: int


class Dispatcher:
    """Owns the lanes. A lane is added once its pool has started."""

    def __init__(self, capacity: int, events: Events) -> None:
        self._capacity = Capacity(capacity)
        self._lanes: dict[str, Lane] = {}
        self._events = events

    def add_lane(self, name: str, pool: Pool, prefetch: Mapping[str, int | str]) -> None:
        """Serve what is put into this lane from this pool; `prefetch` is a depth or `auto` per mode."""
        self._lanes[name] = Lane(name, pool, Prefetch(prefetch), self._capacity)

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

    async def drain(self, deadline_s: float) -> DrainReport:
        """Lend nothing more, give back what waits, wait up to `deadline_s` for what runs.

        What is cut off is still with its worker: stopping the pools fails it.
        """
        lanes = list(self._lanes.values())
        finished = sum(lane.finished for lane in lanes)
        for lane in lanes:
            lane.draining = True
        returned = sum(lane.drop_all().total() for lane in lanes)
        for lane in lanes:
            if not lane.running:
                lane.quiet.set()
        try:
            async with asyncio.timeout(deadline_s):
                for lane in lanes:
                    await lane.quiet.wait()
        except TimeoutError:
            pass
        cut_off = sum(lane.running for lane in lanes)
        return DrainReport(sum(lane.finished for lane in lanes) - finished, returned, cut_off)
