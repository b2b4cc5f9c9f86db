"""How much a pipeline in memory may hold: what is above is refused to whoever pushes."""

from collections.abc import Sequence

from rrjobs.errors import PushRefused
from rrjobs.pipeline.job import Job


class Quota:
    """Counts all that the pipeline answers for, waiting or running. A limit of 0 is none."""

    def __init__(self, pipeline: str, max_jobs: int, max_bytes: int) -> None:
        self._pipeline = pipeline
        self._max_jobs = max_jobs
        self._max_bytes = max_bytes
        self.jobs = 0
        self.payload_bytes = 0

    def take(self, jobs: Sequence[Job]) -> None:
        """Room for all of them; raises PushRefused when there is not, and takes none."""
        size = sum(len(job.payload) for job in jobs)
        if self._max_jobs and self.jobs + len(jobs) > self._max_jobs:
            self._refuse(f"holds {self.jobs} of at most {self._max_jobs} jobs (max_jobs)")
        if self._max_bytes and self.payload_bytes + size > self._max_bytes:
            self._refuse(f"holds {self.payload_bytes} of at most {self._max_bytes} bytes of payload (max_bytes)")
        self.add(jobs, size)

    def add(self, jobs: Sequence[Job], size: int | None = None) -> None:
        """Jobs that are there anyway."""
        self.jobs += len(jobs)
        self.payload_bytes += sum(len(job.payload) for job in jobs) if size is None else size

    def give_back(self, job: Job) -> None:
        """It has ended."""
        self.jobs -= 1
        self.payload_bytes -= len(job.payload)

    def _refuse(self, why: str) -> None:
        raise PushRefused(f"the pipeline {self._pipeline} is full: it {why}")
