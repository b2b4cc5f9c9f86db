"""The jobs of a pipeline that are due and were not handed over yet, in the order in which they will be."""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush

from rrjobs.pipeline.delivery import JobDelivery
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.priority_queue import PriorityQueue


class Waiting(PriorityQueue[Job]):
    """By priority, first in first out among equals."""

    def come_back(self, delivery: JobDelivery) -> None:
        """Not run after all: before its equals."""
        self.push_front(delivery.priority, (delivery.job,))


class AgingWaiting(Waiting):
    """By the rule of the shared queue for `aging_s` (pipeline/limits/aging_queue.py), so that the two are one queue.

    A job waits from when it was pushed, came due or was taken up at a start, by the clock of the event loop. `since` is
    that moment for the job that was popped last.
    """

    def __init__(self, aging_s: float, clock: Callable[[], float]) -> None:
        super().__init__()
        self.since = 0.0
        self._aging_s = aging_s
        self._clock = clock
        self._heap: list[tuple[float, int, Job]] = []
        self._number = 0
        self._front = 0

    def push(self, priority: int, item: Job) -> None:
        """See PriorityQueue."""
        self._number += 1
        self._add(priority, item, self._clock(), self._number)

    def push_front(self, priority: int, items: Iterable[Job]) -> None:
        """See PriorityQueue. They begin to wait now."""
        now = self._clock()
        for item in reversed(list(items)):
            self._add_before(priority, item, now)

    def come_back(self, delivery: JobDelivery) -> None:
        """See Waiting. It has waited all the time."""
        self._add_before(delivery.priority, delivery.job, delivery.waits_since(self._clock))

    def wait_on(self, job: Job, since: float) -> None:
        """Behind its equals, but it has waited since then."""
        self._number += 1
        self._add(job.priority, job, since, self._number)

    def peek(self) -> Job | None:
        """See PriorityQueue."""
        return self._heap[0][2] if self._heap else None

    def pop(self) -> Job:
        """See PriorityQueue."""
        key, _, job = heappop(self._heap)
        self.size -= 1
        self.since = key - job.priority * self._aging_s
        return job

    def take(self, wanted: Callable[[Job], bool]) -> list[Job]:
        """See PriorityQueue: by priority, and among equals as they were pushed."""
        taken = sorted((entry for entry in self._heap if wanted(entry[2])), key=lambda entry: entry[:2])
        if taken:
            self._heap = [entry for entry in self._heap if not wanted(entry[2])]
            heapify(self._heap)
            self.size -= len(taken)
        return sorted((job for _, _, job in taken), key=lambda job: job.priority)

    def _add_before(self, priority: int, job: Job, since: float) -> None:
        self._front -= 1
        self._add(priority, job, since, self._front)

    def _add(self, priority: int, job: Job, since: float, number: int) -> None:
        heappush(self._heap, (since + priority * self._aging_s, number, job))
        self.size += 1


def reordered(waiting: Waiting, aging_s: float, clock: Callable[[], float]) -> Waiting:
    """All of it by another rule, 0: waiting counts no more. Where it did not count, it begins now."""
    new = AgingWaiting(aging_s, clock) if aging_s else Waiting()
    if not isinstance(waiting, AgingWaiting) or not isinstance(new, AgingWaiting):
        for job in waiting.take(lambda job: True):
            new.push(job.priority, job)
        return new
    while waiting.size:
        job = waiting.pop()
        new.wait_on(job, waiting.since)
    return new
