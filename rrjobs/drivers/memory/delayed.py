"""Jobs that wait for their time: a heap with one timer, however many they are and however far away."""

from collections.abc import Callable
from heapq import heappop, heappush, nsmallest
from typing import Protocol

from rrjobs.pipeline.job import Job

MAX_TIMER_S = 24 * 3600.0
"""Event loops take no timer of years: a later one is armed again day by day."""

BURST = 1000
"""Jobs made due in one turn of the event loop; the rest of a burst follows in the next turns."""


class Cancellable(Protocol):
    """A timer that was armed."""

    def cancel(self) -> None: ...


class Timers(Protocol):
    """What is used of the event loop."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancellable: ...

    def call_soon(self, callback: Callable[[], None]) -> object: ...


class Delayed:
    """Calls `due(jobs)` with jobs whose time has come: earliest first, equal times in the order they were added."""

    def __init__(self, due: Callable[[list[Job]], None], timers: Timers) -> None:
        self._due = due
        self._timers = timers
        self._heap: list[tuple[float, int, Job]] = []
        self._added = 0
        self._timer: Cancellable | None = None
        self._wake_at = 0.0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, job: Job) -> None:
        """Keep it for its `delay_s` from now."""
        self._added += 1
        heappush(self._heap, (self._timers.time() + job.delay_s, self._added, job))
        self._arm()

    def soonest(self, limit: int) -> list[tuple[float, Job]]:
        """The first to come due, each with the seconds that are left."""
        now = self._timers.time()
        return [(max(0.0, when - now), job) for when, _, job in nsmallest(limit, self._heap)]

    def clear(self) -> None:
        """Forget all of them."""
        self._heap.clear()
        self._arm()

    def _arm(self) -> None:
        earliest = self._heap[0][0] if self._heap else 0.0
        if self._timer is not None:
            if self._wake_at <= earliest:
                return  # woken too early is put right then; a new timer per added job is not needed
            self._timer.cancel()
            self._timer = None
        if self._heap:
            self._wake_at = min(earliest, self._timers.time() + MAX_TIMER_S)
            self._timer = self._timers.call_at(self._wake_at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self._timers.time()
        ready: list[Job] = []
        while self._heap and self._heap[0][0] <= now and len(ready) < BURST:
            ready.append(heappop(self._heap)[2])
        self._arm()
        if ready:
            self._due(ready)
