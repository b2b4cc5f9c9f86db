"""The memory driver: a queue in this process (spec/jobs-and-rpc.md 4.1).

A job waits in the delayed heap, then by priority (and age), and moves into the shared queue while fewer than `prefetch`
jobs of this pipeline are there or in a worker. What failed for good is a letter in `dead`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import cast

from rrjobs.drivers.memory.config import MemoryConfig
from rrjobs.drivers.memory.declared import declared_config
from rrjobs.drivers.memory.delayed import Delayed, Timers
from rrjobs.drivers.memory.interrupted import come_back
from rrjobs.drivers.memory.lent import NotedDelivery
from rrjobs.drivers.memory.letters import MemoryLetters
from rrjobs.drivers.memory.quota import Quota
from rrjobs.drivers.memory.store import Kept, Store, Volatile
from rrjobs.drivers.memory.stores import store_for
from rrjobs.drivers.memory.waiting import AgingWaiting, Waiting, reordered
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import AlreadyInState, JournalError, PushRefused
from rrjobs.pipeline.delivery import JobDelivery, Judge, Settler
from rrjobs.pipeline.driver import DelayedJob, Sink, SourceState
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Action, Outcome
from rrjobs.runtime.crowd import Head
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
        *,
        timers: Timers | None = None,
        store: Store | None = None,
    ) -> None:
        """Without a store nothing outlives the process."""
        self._pipeline = pipeline
        self._prefetch = config.prefetch
        self._few = config.prefetch - max(1, min(BURST, config.prefetch // 1000))  # then it is worth moving more
        self._timers = timers or cast(Timers, asyncio.get_running_loop())
        self._waiting = Waiting()
        self._head = Head()
        self._delayed = Delayed(self._came_due, self._timers)
        self._store = store or Volatile()
        self._made: type[JobDelivery] = NotedDelivery if self._store.lasting else JobDelivery
        self._delivery: Callable[[Job, Settler, Store], JobDelivery] = self._made
        self._quota = (
            Quota(pipeline, config.max_jobs, config.max_bytes) if config.max_jobs or config.max_bytes else None
        )
        self.dead = MemoryLetters(self._store, self._accept)
        self._sink: Sink | None = None
        self._in_flight = 0
        self._paused = True
        self._moving = False
        self._awaits_room = False
        self._closed = asyncio.Event()
        self._closed_text = f"the pipeline {pipeline} is closed"
        self._all_settled: asyncio.Event | None = None

    @classmethod
    def made(cls, pipeline: str, config: MemoryConfig, surroundings: Surroundings) -> "MemoryDriver":
        """See DriverTable."""
        return cls(pipeline, config, surroundings.events, store=store_for(pipeline, config, surroundings))

    @staticmethod
    def declared(spec: Mapping[str, str]) -> MemoryConfig:
        """The configuration that a declaration at run time means. Raises DriverError."""
        return declared_config(spec)

    async def open(self) -> None:
        """Take up what the store held. Raises DriverError."""
        kept = await self._store.open()
        self.dead.take_up(kept.letters)
        jobs = kept.jobs
        if kept.interrupted:
            jobs = list(come_back(jobs, kept.interrupted, self, self._store, self.dead))
        await self._store.begin()
        if self._quota is not None:
            self._quota.add(jobs)
        self._enqueue(jobs)

    async def run(self, sink: Sink) -> None:
        """Hand over jobs until `close`."""
        self._sink = sink
        self._move()
        await self._closed.wait()

    async def push(self, jobs: Sequence[Job]) -> None:
        """Keep them; with a journal, return when they are safe. Raises PushRefused, and takes none."""
        if self._closed.is_set():
            raise PushRefused(self._closed_text)
        if self._quota is not None:
            self._quota.take(jobs)
        try:
            await self._store.accept(jobs, partial(self._enqueue, jobs))
        except JournalError as err:
            for job in jobs:
                self._ended(job)
            raise PushRefused(f"the pipeline {self._pipeline} cannot keep it: {err}") from err

    def _accept(self, jobs: Sequence[Job]) -> None:
        """Replayed letters: the store has them, and limits do not apply."""
        if self._quota is not None:
            self._quota.add(jobs)
        self._enqueue(jobs)

    def _enqueue(self, jobs: Sequence[Job]) -> None:
        if self._closed.is_set():
            return  # what the store keeps is there at the next start
        for job in jobs:
            if job.delay_s > 0:
                self._delayed.add(job)
            else:
                self._waiting.push(job.priority, job)
        self._head.count(self._waiting.size)
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
            active=self._waiting.size + self._in_flight,
            delayed=len(self._delayed),
            error=self._store.trouble,
        )

    async def delayed(self, limit: int) -> list[DelayedJob]:
        """See Queue."""
        return [DelayedJob(job, in_s) for in_s, job in self._delayed.soonest(limit)]

    async def close(self) -> None:
        """Hand everything that is not in a worker to the store; one that keeps all waits for the others too."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._paused = True
        self.dead.closed = self._closed_text
        jobs: list[Job] = []
        if self._sink is not None:
            jobs += [one.job for one in self._sink.remove(self._pipeline) if isinstance(one, JobDelivery)]
        self._in_flight -= len(jobs)
        jobs += self._waiting.take(lambda job: True)
        self._head.count(0)
        for in_s, job in self._delayed.soonest(len(self._delayed)):
            job.delay_s = in_s
            jobs.append(job)
        self._delayed.clear()
        if self._store.lasting and self._in_flight:
            self._all_settled = asyncio.Event()
            await self._all_settled.wait()
        await self._store.close(Kept(jobs, self.dead.held))

    def settle(self, delivery: JobDelivery, outcome: Outcome) -> None:
        """Forget the job, keep the copy that the outcome asks for, or keep a letter."""
        self._in_flight -= 1
        if outcome.action is Action.ACK:
            self._store.done(delivery.job)
            self._ended(delivery.job)
        else:
            self._settle_unfinished(delivery.job, outcome)
        if self._waiting.size and self._in_flight <= self._few:
            self._move()
        if self._all_settled is not None and not self._in_flight:
            self._all_settled.set()

    def _settle_unfinished(self, job: Job, outcome: Outcome) -> None:
        if outcome.letter is not None:
            self.dead.bury(job, outcome.letter)
            self._ended(job)
        elif outcome.redeliver:
            again = job.again(outcome.delay_s, outcome.headers)
            self._store.again(job, again)
            self._enqueue((again,))
        else:
            self._store.done(job)
            self._ended(job)

    def _ended(self, job: Job) -> None:
        if self._quota is not None:
            self._quota.give_back(job)

    def take_back(self, delivery: JobDelivery, reason: str) -> None:
        """Back to the front of its equals; several come back last first."""
        self._in_flight -= 1
        self._store.returned(delivery.job)
        if not self._closed.is_set():
            self._waiting.come_back(delivery)
        elif self._all_settled is not None and not self._in_flight:
            self._all_settled.set()

    def let_age(self, aging_s: float) -> None:
        """See Aging."""
        self._waiting = reordered(self._waiting, aging_s, self._timers.time)
        self._delivery = self._aged if aging_s else self._made

    def _aged(self, job: Job, settler: Settler, store: Store) -> JobDelivery:
        """It waits on in the shared queue."""
        delivery = self._made(job, settler, store)
        if isinstance(self._waiting, AgingWaiting):
            delivery.since = self._waiting.since
        return delivery

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
            self._head.count(self._waiting.size)
        finally:
            self._moving = False

    def _move_burst(self, sink: Sink) -> None:
        waiting, make = self._waiting, self._delivery
        for _ in range(min(BURST, self._prefetch - self._in_flight, waiting.size)):
            job = waiting.pop()
            self._in_flight += 1
            delivery = make(job, self, self._store)
            if not sink.offer(delivery):
                self._in_flight -= 1
                waiting.come_back(delivery)
                self._awaits_room = True
                sink.when_room(self._room)
                return
        if waiting.size and self._in_flight < self._prefetch:
            self._timers.call_soon(self._move)

    def _room(self) -> None:
        self._awaits_room = False
        self._move()
