"""What outlives the process: the memory driver tells its store of every change that concerns a dead letter.

Each call is one change, kept whole or not at all: a crash never leaves a job both queued and dead, nor neither.
"""

from collections.abc import Sequence
from typing import Protocol

from rrjobs.pipeline.dead_letter import DeadLetter
from rrjobs.pipeline.job import Job


class Store(Protocol):
    """Told before the change is made in memory."""

    def bury(self, job: Job, letter: DeadLetter, pushed_out: Sequence[DeadLetter]) -> None:
        """The job is done with, its letter is kept, those pushed out by it are gone. Must not block or raise."""
        ...

    async def revive(self, letters: Sequence[DeadLetter], jobs: Sequence[Job]) -> None:
        """The jobs are accepted and their letters gone; raises DriverError, and nothing has changed."""
        ...

    def forget(self, letters: Sequence[DeadLetter]) -> None:
        """The letters are gone. Must not block or raise."""
        ...


class Volatile:
    """Nothing outlives the process."""

    def bury(self, job: Job, letter: DeadLetter, pushed_out: Sequence[DeadLetter]) -> None:
        """See Store."""

    async def revive(self, letters: Sequence[DeadLetter], jobs: Sequence[Job]) -> None:
        """See Store."""

    def forget(self, letters: Sequence[DeadLetter]) -> None:
        """See Store."""
