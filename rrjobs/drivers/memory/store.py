"""Jobs that wait in this process: by priority, first in first out among equals."""

from rrjobs.pipeline.job import Job
from rrjobs.pipeline.priority_queue import PriorityQueue


class Store:
    """Holds `Job` objects only: what a delivery needs beyond that is made when the job moves on."""

    def __init__(self) -> None:
        self._queue: PriorityQueue[Job] = PriorityQueue()
        self._returned: list[Job] = []

    def __len__(self) -> int:
        return len(self._queue) + len(self._returned)

    def push(self, job: Job) -> None:
        """Behind its equals."""
        self._queue.push(job.priority, job)

    def pop(self) -> Job:
        """The next one; IndexError when there is none."""
        if self._returned:
            self._put_returned()
        return self._queue.pop()

    def give_back(self, job: Job) -> None:
        """Before its equals; several given back in a row keep their order."""
        self._returned.append(job)

    def clear(self) -> None:
        """Drop everything."""
        self._queue = PriorityQueue()
        self._returned.clear()

    def _put_returned(self) -> None:
        by_priority: dict[int, list[Job]] = {}
        for job in self._returned:
            by_priority.setdefault(job.priority, []).append(job)
        self._returned.clear()
        for priority, jobs in by_priority.items():
            self._queue.push_front(priority, jobs)
