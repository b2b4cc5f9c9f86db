"""A registry with one real driver, and workers that a test plays by hand."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from harness import Harness

from rrjobs.config.shape import DRIVERS
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.drivers.table import DriverTable
from rrjobs.pipeline.config import JobsConfig
from rrjobs.pipeline.dead_letter import DeadLetters
from rrjobs.pipeline.delivery import Delivery, JobDelivery
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.priority_queue import PriorityQueue
from rrjobs.pipeline.registry import Registry
from rrjobs.pipeline.state import PipelineState
from rrjobs.runtime.events import Events
from rrjobs.worker.load import Fault, FaultKind

DEADLINE_S = 20.0
"""The longest wait for something that should happen."""


class HandSink:
    """The shared queue, of which the test is the worker: `take` runs the first delivery of all."""

    def __init__(self, capacity: int = 1_000_000) -> None:
        self.capacity = capacity
        self.queue: PriorityQueue[Delivery] = PriorityQueue()
        self.came = asyncio.Event()
        self.wakers: list[Callable[[], None]] = []

    def put(self, delivery: Delivery) -> None:
        delivery.lane = self
        self.queue.push(delivery.priority, delivery)
        self.came.set()

    def offer(self, delivery: Delivery) -> bool:
        if len(self.queue) >= self.capacity:
            return False
        self.put(delivery)
        return True

    def when_room(self, wake: Callable[[], None]) -> None:
        self.wakers.append(wake)

    def remove(self, pipeline: str) -> list[Delivery]:
        return self.queue.take(lambda one: one.pipeline == pipeline)

    def give_back(self, delivery: Delivery) -> None:
        self.queue.push_front(delivery.priority, (delivery,))
        self.came.set()

    async def take(self, deadline_s: float = DEADLINE_S) -> JobDelivery:
        """The first delivery, as a worker would get it: encoded."""
        async with asyncio.timeout(deadline_s):
            while not len(self.queue):
                self.came.clear()
                await self.came.wait()
        delivery = self.queue.pop()
        assert isinstance(delivery, JobDelivery)
        delivery.encode()
        self._room()
        return delivery

    async def takes(self, number: int) -> list[JobDelivery]:
        """So many, one after the other, none answered."""
        return [await self.take() for _ in range(number)]

    async def quiet(self, for_s: float = 0.3) -> bool:
        """Whether nothing comes for a while."""
        try:
            async with asyncio.timeout(for_s):
                while not len(self.queue):
                    self.came.clear()
                    await self.came.wait()
        except TimeoutError:
            return True
        return False

    def _room(self) -> None:
        while self.wakers and len(self.queue) < self.capacity:
            self.wakers.pop(0)()


def answer(delivery: JobDelivery, kind: int = 0, **data: Any) -> None:
    """One whole answer of a program (spec/jobs-and-rpc.md 3.3)."""
    delivery.answer(0, 0, b"", orjson.dumps({"type": kind, "data": data or []}))
    delivery.finished()


def crash(delivery: JobDelivery) -> None:
    """Its worker died."""
    delivery.failed(
        Fault(FaultKind.CRASHED, "the worker was killed by signal 9", pid=4711, signal=9, output="last words")
    )


def raise_error(delivery: JobDelivery, message: str = "boom") -> None:
    """An exception that nobody caught."""
    delivery.failed(Fault(FaultKind.ERROR, message))


@asynccontextmanager
async def until(what: str, deadline_s: float = DEADLINE_S) -> AsyncIterator[None]:
    """Fail with what did not happen."""
    try:
        async with asyncio.timeout(deadline_s):
            yield
    except TimeoutError as err:
        raise AssertionError(f"did not happen within {deadline_s:g} s: {what}") from err


async def eventually(
    condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S, pause_s: float = 0.01
) -> None:
    """Wait for something that nobody tells; `condition` may also return an awaitable."""
    async with until(what, deadline_s):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return
            await asyncio.sleep(pause_s)


class House:
    """A registry with one pipeline `p` of the driver under test, and `sink`, whose worker the test is."""

    def __init__(self, harness: Harness, folder: Path, name: str = "p", prefetch: int = 10, **pipeline: Any) -> None:
        self.harness = harness
        self.name = name
        self.sink = HandSink()
        self.events = Events()
        settings = {"driver": harness.driver, "config": harness.config(name, prefetch), **pipeline}
        config = {"pipelines": {name: settings}, "consume": [name], "timeout": 10}
        self.config = JobsConfig.model_validate(config, context={"drivers": DRIVERS})
        surroundings = Surroundings(
            self.events, state_dir=folder, timeout_s=10.0, startup_timeout_s=10.0, liveness_s=5.0
        )
        table = DriverTable(surroundings, {harness.driver: harness.section()})
        self.registry = Registry(lambda pool: self.sink, self.events, self.config, table)

    async def __aenter__(self) -> "House":
        await self.registry.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.registry.close()

    async def push(self, *jobs: Job) -> None:
        """Together, as one batch."""
        await self.registry.push(jobs)

    async def state(self) -> PipelineState:
        """Of the pipeline."""
        return next(one for one in await self.registry.stat() if one.pipeline == self.name)

    @property
    def dead(self) -> DeadLetters:
        return self.registry.dead()[self.name]

    async def idle(self) -> None:
        """Everything that was answered is settled: nothing waits, nothing runs."""
        await eventually(self._is_idle, "everything is settled")

    async def _is_idle(self) -> bool:
        state = await self.state()
        return not (state.active or state.reserved or state.delayed)

    def job(self, ident: str = "", payload: bytes = b"payload", **options: Any) -> Job:
        """A job for the pipeline."""
        name = options.pop("job", "Job")
        return Job(ident or str(uuid4()), name, payload, self.name, **options)
