"""One pipeline: its driver, the task that runs it, and what is known of its trouble.

opened (paused) --resume--> running --pause--> paused          any --close--> closed
while open: driver.run fails --> trouble, backed off --> run again
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from rrjobs.errors import AlreadyInState, DriverError, PushRefused
from rrjobs.pipeline.dead_letter import DeadLetters
from rrjobs.pipeline.driver import DelayedJob, Queue
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.limits.entrance import Entrance
from rrjobs.pipeline.state import PipelineState
from rrjobs.runtime.deadlines import Deadlines
from rrjobs.runtime.eager import within
from rrjobs.runtime.events import Events

T = TypeVar("T")

PushListener = Callable[[str, str, bool, int, int, float], None]
"""Told of every push: pipeline, driver, whether it was part of a batch, jobs accepted, jobs refused, seconds."""

FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 30.0
SECOND_S = 1.0


class Route:
    """Owns the driver's run task. A driver that fails is run again after a while; until then `trouble` says why."""

    def __init__(
        self,
        name: str,
        priority: int,
        driver: Queue,
        entrance: Entrance,
        events: Events,
        timeout_s: float,
        on_push: PushListener | None,
    ) -> None:
        self.name = name
        self.priority = priority
        self.driver = driver
        self.trouble = ""
        self._entrance = entrance
        self._events = events
        self._timeout_s = timeout_s
        self._push_limit = Deadlines(timeout_s + SECOND_S)
        self._on_push = on_push
        self._task: asyncio.Task[None] | None = None

    async def open(self, consume: bool, patience_s: float = 0.0) -> None:
        """Open and run the driver, paused or consuming from the start; on an error it still has to be closed.

        `patience_s`: how long the driver itself waits for a broker that is away.
        """
        await self._limited(self.driver.open(), "open", self._timeout_s + patience_s)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"pipeline {self.name}")
        if consume:
            await self._limited(self.driver.resume(), "start")

    async def pause(self) -> None:
        """No new deliveries. Raises AlreadyInState."""
        await self._limited(self.driver.pause(), "pause")
        self._entrance.pause()
        self._events.emit("pipeline.paused", pipeline=self.name)

    async def resume(self) -> None:
        """Deliver. Raises AlreadyInState."""
        await self._limited(self.driver.resume(), "resume")
        self._entrance.resume()
        self._events.emit("pipeline.resumed", pipeline=self.name)

    async def hold(self) -> None:
        """Pause it if it runs."""
        with contextlib.suppress(AlreadyInState):
            await self.pause()

    async def push(self, jobs: Sequence[Job], batch: bool) -> None:
        """Hand over to the driver; jobs without a priority get the pipeline's. Raises DriverError, PushRefused."""
        priority, now = self.priority, time.time()
        for job in jobs:
            job.pushed_at = now
            if not job.priority:
                job.priority = priority
        if self._on_push is None:
            await self._pushed(jobs)
        else:
            await self._measured_push(jobs, batch, self._on_push)

    async def _measured_push(self, jobs: Sequence[Job], batch: bool, listener: PushListener) -> None:
        began, accepted = time.perf_counter(), 0
        try:
            await self._pushed(jobs)
            accepted = len(jobs)
        except PushRefused as err:
            accepted = err.accepted
            raise
        finally:
            elapsed_s = time.perf_counter() - began
            listener(self.name, self.driver.name, batch, accepted, len(jobs) - accepted, elapsed_s)

    async def _pushed(self, jobs: Sequence[Job]) -> None:
        try:
            await self._push_limit.within(self.driver.push(jobs))
        except TimeoutError as err:
            raise self._too_slow("take the push", self._timeout_s) from err

    @property
    def dead(self) -> DeadLetters:
        """What failed here for good."""
        return self.driver.dead

    async def delayed(self, limit: int) -> Sequence[DelayedJob]:
        """The first to come due. Raises DriverError."""
        return await self._limited(self.driver.delayed(limit), "list what is delayed")

    async def state(self) -> PipelineState:
        """Counts; a driver that cannot tell them is shown as not ready, with its error."""
        try:
            found = await self._limited(self.driver.state(), "tell its state")
        except DriverError as err:
            return PipelineState(self.name, self.driver.name, "", self.priority, ready=False, error=str(err))
        standing = self._entrance.standing()
        return PipelineState(
            pipeline=self.name,
            driver=found.driver,
            queue=found.queue,
            priority=self.priority,
            ready=found.ready and not self.trouble,
            active=found.active,
            delayed=found.delayed,
            reserved=found.reserved,
            error=self.trouble or found.error,
            held=standing.held,
            held_why=standing.why,
        )

    async def close(self) -> None:
        """Close the driver; its task has ended afterwards. Raises DriverError when that failed or took too long."""
        task, self._task = self._task, None
        try:
            await self._limited(self.driver.close(), "close")
            if task is not None and not self.trouble:
                await asyncio.wait([task], timeout=self._timeout_s)
        finally:
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    async def _limited(self, operation: Coroutine[Any, Any, T], what: str, limit_s: float | None = None) -> T:
        """A driver that keeps the time itself knows more about why: it has a second to say so."""
        limit_s = limit_s or self._timeout_s
        try:
            return await within(operation, limit_s + SECOND_S)
        except TimeoutError as err:
            raise self._too_slow(what, limit_s) from err

    def _too_slow(self, what: str, limit_s: float) -> DriverError:
        return DriverError(f"the driver of pipeline {self.name} did not {what} within {limit_s:g} s")

    async def _run(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self.driver.run(self._entrance.sink)
                return
            except Exception as err:  # whatever fails in one driver must not stop the others
                if asyncio.get_running_loop().time() - began > MAX_BACKOFF_S:
                    backoff_s = FIRST_BACKOFF_S
                self.trouble = str(err) or type(err).__name__
                self._events.emit("pipeline.failed", pipeline=self.name, error=self.trouble, again_in_s=backoff_s)
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))
            backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)
            self.trouble = ""
