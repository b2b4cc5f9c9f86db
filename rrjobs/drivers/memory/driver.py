"""The memory driver: a queue in this process (spec/jobs-and-rpc.md 4.1).

A job waits in the delayed heap, then by priority, and moves into the shared queue while fewer than `prefetch` jobs of
this pipeline are there or in a worker. What failed for good is a letter in `dead`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

from rrjobs.drivers.declared import positive
from rrjobs.drivers.memory.config import MemoryConfig
from rrjobs.drivers.memory.delayed import Delayed, Timers
from rrjobs.drivers.memory.letters import MemoryLetters
from rrjobs.drivers.memory.store import Store, Volatile
from rrjobs.errors import AlreadyInState, PushRefused
from rrjobs.pipeline.delivery import JobDelivery, Judge
from rrjobs.pipeline.driver import DelayedJob, Sink, SourceState
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Action, Outcome
from rrjobs.pipeline.priority_queue import PriorityQueue
from rrjobs.runtime.events import Events

BURST = 500
"""Jobs moved into the shared queue in one turn of the event loop: a resume must not hold up everything else."""


class MemoryDriver:
    """One pipeline in memory. Made paused."""

    name = "memory"
    judge: Judge

    def __init__(
        self,
        pipeline: str,
        config: MemoryConfig,
        events: Events,
        timers: Timers | None = None,
        store: Store | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._prefetch = config.prefetch
        self._timers = timers or cast(Timers, asyncio.get_running_loop())
        self._waiting: PriorityQueue[Job] = PriorityQueue()
        self._delayed = Delayed(self._came_due, self._timers)
        self.dead = MemoryLetters(store or Volatile(), self._accept)
        self._sink: Sink | None = None
        self._in_flight = 0
        self._paused = True
        self._moving = False
        self._awaits_room = False
        self._closed = asyncio.Event()

    @staticmethod
    def declared(spec: Mapping[str, str]) -> MemoryConfig:
        """The configuration that a declaration at run time means."""
        return MemoryConfig(prefetch=positive(spec, "prefetch", MemoryConfig().prefetch))

    async def run(self, sink: Sink) -> None:
        """Hand over jobs until `close`."""
        self._sink = sink
        self._move()
        await self._closed.wait()

    async def push(self, jobs: Sequence[Job]) -> None:
        """Keep them; never waits. Raises PushRefused once closed."""
        self._accept(jobs)

    def _accept(self, jobs: Sequence[Job]) -> None:
        if self._closed.is_set():
            raise PushRefused(f"the pipeline {self._pipeline} is closed")
        for job in jobs:
            if job.delay_s > 0:
                self._delayed.add(job)
            else:
                self._waiting.push(job.priority, job)
        self._move()

    async def pause(self) -> None:
        """What is in the shared queue already still runs, as with RoadRunner."""
        if self._paused:
            raise AlreadyInState("no active listeners, nothing to pause")
        self._paused = True

    async def resume(self) -> None:
        """Hand over again."""
        if not self._paused:
            raise AlreadyInState("memory listener is already in the active state")
        self._paused = False
        self._move()

    async def state(self) -> SourceState:
        """`active` is everything that is due: waiting, in the shared queue, in a worker."""
        return SourceState(
            driver=self.name,
            queue=self._pipeline,
            ready=not self._paused,
            active=len(self._waiting) + self._in_flight,
            delayed=len(self._delayed),
        )

    async def delayed(self, limit: int) -> list[DelayedJob]:
        """See Queue."""
        return [DelayedJob(job, in_s) for in_s, job in self._delayed.soonest(limit)]

    async def close(self) -> None:
        """Drop everything that is not in a worker."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._paused = True
        if self._sink is not None:
            self._in_flight -= len(self._sink.remove(self._pipeline))
        self._waiting = PriorityQueue()
        self._delayed.clear()

    def settle(self, delivery: JobDelivery, outcome: Outcome) -> None:
        """Forget the job, keep the copy that the outcome asks for, or keep a letter."""
        self._in_flight -= 1
        if outcome.action is not Action.ACK and not self._closed.is_set():
            self._settle_unfinished(delivery.job, outcome)
        if self._waiting:
            self._move()

    def _settle_unfinished(self, job: Job, outcome: Outcome) -> None:
        if outcome.letter is not None:
            self.dead.bury(job, outcome.letter)
        elif outcome.redeliver:
            again = job.again(outcome.delay_s, outcome.headers)
            if again.delay_s > 0:
                self._delayed.add(again)
            else:
                self._waiting.push(again.priority, again)

    def take_back(self, delivery: JobDelivery, reason: str) -> None:
        """Back to the front of its equals; several come back last first."""
        self._in_flight -= 1
        if not self._closed.is_set():
            self._waiting.push_front(delivery.priority, (delivery.job,))

    def _came_due(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._waiting.push(job.priority, job)
        self._move()

    def _move(self) -> None:
        """Move jobs on while there is room for them here and in the shared queue."""
        if self._paused or self._moving or self._awaits_room or self._sink is None:
            return
        self._moving = True
        try:
            self._move_burst(self._sink)
        finally:
            self._moving = False

    def _move_burst(self, sink: Sink) -> None:
        waiting = self._waiting
        for _ in range(min(BURST, self._prefetch - self._in_flight, len(waiting))):
            job = waiting.pop()
            self._in_flight += 1
            if not sink.offer(JobDelivery(job, self)):
                self._in_flight -= 1
                waiting.push_front(job.priority, (job,))
                self._awaits_room = True
                sink.when_room(self._room)
                return
        if waiting and self._in_flight < self._prefetch:
            self._timers.call_soon(self._move)

    def _room(self) -> None:
        self._awaits_room = False
        self._move()
