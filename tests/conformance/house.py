"""A registry with one real driver, and workers that a test plays by hand."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from rrjobs.pipeline.delivery import Delivery, JobDelivery
from rrjobs.pipeline.priority_queue import PriorityQueue
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


async def eventually(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for something that nobody tells; `condition` may also return an awaitable."""
    async with until(what, deadline_s):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.01)
