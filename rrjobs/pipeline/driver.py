"""The interface of a driver, and what the pipeline offers to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rrjobs.pipeline.dead_letter import DeadLetters
from rrjobs.pipeline.delivery import Delivery, Judge
from rrjobs.pipeline.job import Job


@dataclass(frozen=True, slots=True)
class SourceState:
    """A driver's counts: `active` ready or in flight, `delayed` waiting for time, `reserved` held by the broker."""

    driver: str
    queue: str
    ready: bool
    active: int = 0
    delayed: int = 0
    reserved: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class DelayedJob:
    """A job that waits for its time, `in_s` seconds from now."""

    job: Job
    in_s: float


class Sink(Protocol):
    """The way into the shared priority queue; one per driver, bound to the pool that serves it."""

    def put(self, delivery: Delivery) -> None:
        """Queue it, full or not: for sources that are bounded by themselves (HTTP: by its connections).

        Raises PoolStopped when the server is draining.
        """
        ...

    def offer(self, delivery: Delivery) -> bool:
        """Queue it if there is room; False leaves it with the caller, who waits for `when_room`."""
        ...

    def when_room(self, wake: Callable[[], None]) -> None:
        """Call `wake` once, as soon as there is room; callers are woken in the order they asked."""
        ...

    def remove(self, pipeline: str) -> list[Delivery]:
        """Take out and return what is queued, not lent, for one pipeline, in order (destroy, drain)."""
        ...


class Source(Protocol):
    """What every driver is, HTTP too."""

    async def run(self, sink: Sink) -> None:
        """Connect, consume, reconnect; returns only after `close`."""
        ...

    async def pause(self) -> None:
        """No new deliveries; connection and acks stay alive. Raises AlreadyInState when paused."""
        ...

    async def resume(self) -> None:
        """Deliver again. Raises AlreadyInState when running."""
        ...

    async def state(self) -> SourceState:
        """Counts of this moment."""
        ...

    async def close(self) -> None:
        """After the last settle; idempotent."""
        ...


class Queue(Source, Protocol):
    """What a pipeline can be pushed to.

    `judge` is set before it runs; the driver only carries out what it decides. `dead` is where what failed for good is.
    """

    name: str
    judge: Judge

    @property
    def dead(self) -> DeadLetters: ...

    async def open(self) -> None:
        """Get ready for pushes, before `run`; raises DriverError when this pipeline cannot be had."""
        ...

    async def push(self, jobs: Sequence[Job]) -> None:
        """The broker has them all once this returns, or it raises PushRefused and says how many it took."""
        ...

    async def delayed(self, limit: int) -> Sequence[DelayedJob]:
        """The first to come due; a broker that cannot list them gives none."""
        ...


@runtime_checkable
class Aging(Protocol):
    """A driver that has an order of its own for what it has not handed over; a broker keeps the order it has."""

    def let_age(self, aging_s: float) -> None:
        """From now on waiting so long counts as much there as a priority one lower; 0: it counts nothing."""
        ...
