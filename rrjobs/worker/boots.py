"""How a pool gets its workers: started, counted while they boot, tried again with backoff."""

import asyncio
import random
from typing import Protocol

from rrjobs.errors import PoolStopped, SpawnError
from rrjobs.runtime.events import Events
from rrjobs.worker.clocks import Limits
from rrjobs.worker.config import PoolConfig
from rrjobs.worker.launcher import Launcher
from rrjobs.worker.worker import Worker, WorkerOwner

FIRST_BACKOFF_S = 0.2
MAX_BACKOFF_S = 5.0
_MAX_JOBS_SPREAD_PERCENT = 14
"""max_jobs of each worker is up to so much higher, so that not all are replaced at once."""


class Home(WorkerOwner, Protocol):
    """The pool in which the workers will live."""

    name: str
    config: PoolConfig

    @property
    def stopping(self) -> bool:
        """Whether it wants no more of them."""
        ...

    def add(self, worker: Worker) -> None:
        """It is alive and shook hands."""
        ...

    def admit(self, worker: Worker) -> None:
        """It may be lent to."""
        ...

    def dismiss(self, worker: Worker) -> None:
        """Stop it at once: it is of an old program."""
        ...


class Boots:
    """Every start is counted from `expect` on; it ends with `Home.admit` or an error."""

    def __init__(self, home: Home, launcher: Launcher, events: Events) -> None:
        self.count = 0
        """Workers that do not take loads yet."""
        self.trouble = ""
        """Why the last one did not start; "" since one did."""
        self.late_fences = False
        """What sessions are told (see Session)."""
        self._home = home
        self._launcher = launcher
        self._events = events
        self._resets = 0

    def overtaken(self) -> None:
        """The pool is reset: who is being started now may be of the old program, and is started again."""
        self._resets += 1

    def expect(self) -> None:
        """One more is on its way: said before the task is made that awaits `one`, `until_ready` or `for_debug`."""
        self.count += 1

    async def many(self, number: int) -> None:
        """So many side by side: all of them, or SpawnError."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(number):
                    group.create_task(self._one_of_many())
        except ExceptionGroup as err:
            raise next(iter(_leaves(err))) from None

    async def _one_of_many(self) -> None:
        self.expect()
        await self.one()

    async def one(self) -> None:
        """The expected one, or SpawnError. It may end as soon as it is ready, while others still boot."""
        try:
            await self._boot()
        finally:
            self.count -= 1

    async def until_ready(self) -> None:
        """The expected one; on failure back off and try again for as long as it takes."""
        try:
            await self._persist()
        finally:
            self.count -= 1
        if self.trouble:
            self.trouble = ""
            self._events.emit("pool.recovered", pool=self._home.name)

    async def for_debug(self) -> None:
        """The expected one if it starts; else a wait, so that a broken program is not started at every turn."""
        try:
            await self._boot()
            self.trouble = ""
        except SpawnError as err:
            self._failed(err, FIRST_BACKOFF_S)
            await asyncio.sleep(FIRST_BACKOFF_S)
        finally:
            self.count -= 1

    async def _persist(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                await self._boot()
                return
            except SpawnError as err:
                self._failed(err, backoff_s)
            await asyncio.sleep(backoff_s * random.uniform(0.8, 1.2))
            backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)

    def _failed(self, err: SpawnError, again_in_s: float) -> None:
        self.trouble = str(err)
        self._events.emit("worker.spawn_failed", pool=self._home.name, error=str(err), again_in_s=again_in_s)

    async def _boot(self) -> None:
        """One worker, or SpawnError. One that a reset overtook while it started may be of the old program: again."""
        while True:
            resets = self._resets
            worker = await self._start()
            self._home.add(worker)
            if resets == self._resets:
                break
            self._home.dismiss(worker)
        worker.session.late_fences = self.late_fences
        if self._home.stopping:
            await worker.stop(0.0)
            raise PoolStopped(f"pool {self._home.name} is stopping")
        self._home.admit(worker)

    async def _start(self) -> Worker:
        """Ready, but not the pool's yet."""
        config = self._home.config
        process = self._launcher.start()
        limits = Limits(config.supervisor.exec_ttl_s, config.stream_timeout_s)
        worker = Worker(process, self._launcher, self._home, self._events, self._home.name, limits)
        if config.debug:
            worker.limit = 1
        elif config.max_jobs:
            worker.limit = config.max_jobs + random.randint(0, config.max_jobs * _MAX_JOBS_SPREAD_PERCENT // 100)
        await worker.boot(config.allocate_timeout_s)
        return worker


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for err in group.exceptions:
        found.extend(_leaves(err) if isinstance(err, BaseExceptionGroup) else [err])
    return sorted(found, key=lambda err: not isinstance(err, SpawnError))
