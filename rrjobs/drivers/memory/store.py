"""What outlives the process: the memory driver tells its store of every change.

Each call is one change, kept whole or not at all: a crash never leaves a job both queued and dead, nor neither.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from rrjobs.pipeline.dead_letter import DeadLetter
from rrjobs.pipeline.job import Job


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store held: jobs in their order, each with what is left of its delay, and letters, oldest first.

    `interrupted` are those of the jobs that a worker had when the server was killed.
    """

    jobs: Sequence[Job] = ()
    letters: Sequence[DeadLetter] = ()
    interrupted: Collection[Job] = ()


class Store(Protocol):
    """`open` comes first, `close` last, after the last of the others."""

    @property
    def lasting(self) -> bool:
        """Whether every change is kept: then a job in a worker must have ended before `close`."""
        ...

    @property
    def trouble(self) -> str:
        """Why nothing can be kept at the moment; empty when all is well."""
        ...

    async def open(self) -> Kept:
        """Raises DriverError when it cannot be read."""
        ...

    def renew(self, job: Job, copy: Job) -> None:
        """The copy takes the place of an interrupted job, where it stood. Must not block or raise."""
        ...

    async def begin(self) -> None:
        """Every interrupted job was dealt with; comes once, after `open`."""
        ...

    def lent(self, job: Job, attempt: int, before: list[Callable[[], None]] | None) -> None:
        """A worker gets it, after what is in `before` was called; None: at once. Must not block or raise."""
        ...

    def returned(self, job: Job) -> None:
        """No worker has started it after all, if one was lent it. Must not block or raise."""
        ...

    async def accept(self, jobs: Sequence[Job], then: Callable[[], None]) -> None:
        """Jobs that were pushed; `then` is called once they are safe, also when nobody waits for it any more.

        Raises DriverError, and none of them is kept.
        """
        ...

    def done(self, job: Job) -> None:
        """The job is done with. Must not block or raise."""
        ...

    def again(self, job: Job, copy: Job) -> None:
        """The copy takes the place of the job, behind all others. Must not block or raise."""
        ...

    def bury(self, job: Job, letter: DeadLetter, pushed_out: Sequence[DeadLetter]) -> None:
        """The job is done with, its letter is kept, those pushed out by it are gone. Must not block or raise."""
        ...

    async def revive(self, letters: Sequence[DeadLetter], jobs: Sequence[Job], then: Callable[[bool], None]) -> None:
        """The jobs are accepted and their letters gone. `then` is called with whether that became so, in any case.

        Raises DriverError, and nothing has changed.
        """
        ...

    def forget(self, letters: Sequence[DeadLetter]) -> None:
        """The letters are gone. Must not block or raise."""
        ...

    async def close(self, left: Kept) -> None:
        """The end; `left` is what waits and was not run. Raises DriverError when it is lost."""
        ...


class Volatile:
    """Nothing outlives the process."""

    lasting = False
    trouble = ""

    async def open(self) -> Kept:
        """See Store."""
        return Kept()

    def renew(self, job: Job, copy: Job) -> None:
        """See Store."""

    async def begin(self) -> None:
        """See Store."""

    def lent(self, job: Job, attempt: int, before: list[Callable[[], None]] | None) -> None:
        """See Store."""

    def returned(self, job: Job) -> None:
        """See Store."""

    async def accept(self, jobs: Sequence[Job], then: Callable[[], None]) -> None:
        """See Store."""
        then()

    def done(self, job: Job) -> None:
        """See Store."""

    def again(self, job: Job, copy: Job) -> None:
        """See Store."""

    def bury(self, job: Job, letter: DeadLetter, pushed_out: Sequence[DeadLetter]) -> None:
        """See Store."""

    async def revive(self, letters: Sequence[DeadLetter], jobs: Sequence[Job], then: Callable[[bool], None]) -> None:
        """See Store."""
        then(True)

    def forget(self, letters: Sequence[DeadLetter]) -> None:
        """See Store."""

    async def close(self, left: Kept) -> None:
        """See Store."""
