"""A pool: keeps its number of workers alive, and knows which of them are free.

stopped --start--> running --stop--> stopped. While running, every worker lost or retired is replaced; a replacement is
ready before a retiring worker is stopped.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from rrjobs.errors import PoolStopped, SpawnError
from rrjobs.runtime.events import Events
from rrjobs.runtime.tasks import Tasks
from rrjobs.worker.boots import Boots
from rrjobs.worker.config import PoolConfig
from rrjobs.worker.launcher import Launcher
from rrjobs.worker.running import Running, running
from rrjobs.worker.scaler import Backlog, Range, Scaler
from rrjobs.worker.scaling_config import MAX_WORKERS
from rrjobs.worker.state import WorkerState
from rrjobs.worker.supervisor import limit_reached
from rrjobs.worker.worker import STOP_WAIT_S, Worker

MAX_DEBUG_WORKERS = 64
"""Fresh workers of a debug pool alive at once; further deliveries wait."""


class Borrower(Protocol):
    """Whoever lends the workers out: the dispatcher's lane."""

    def worker_free(self, worker: Worker) -> None:
        """A worker became ready."""
        ...

    def progressed(self, worker: Worker, finished: int, elapsed_s: float) -> None:
        """`finished` loads took `elapsed_s` on this worker; it may take more if it is lendable."""
        ...

    def short_of_workers(self) -> None:
        """The number of workers has changed, or a fresh one could not be made: ask again if deliveries wait."""
        ...

    def swallows(self, mode: str) -> None:
        """Deliveries of this mode may lose what is written behind them: lend each alone."""
        ...

    def backlog(self) -> Backlog:
        """What waits; asked only where the number of workers follows it."""
        ...


class Pool:
    """Owns the workers of one kind. `idle` holds those without a load, free longest first."""

    def __init__(self, name: str, config: PoolConfig, launcher: Launcher, events: Events) -> None:
        self.name = name
        self.config = config
        self.idle: deque[Worker] = deque()
        self.stopping = False
        self.borrower: Borrower | None = None
        self.progressed: Callable[[Worker, int, float], None] = _unheard
        """See WorkerOwner; it is the borrower's own."""
        self._launcher = launcher
        self._events = events
        self._workers: dict[int, Worker] = {}
        self._target = 0
        self._scaler: Scaler | None = None
        self._boots = Boots(self, launcher, events)
        self._tasks = Tasks(_unless_stopped)
        self._reset_lock = asyncio.Lock()

    def lend_to(self, borrower: Borrower) -> None:
        """All workers are this one's from now on."""
        self.borrower = borrower
        self.progressed = borrower.progressed

    @property
    def mode(self) -> str:
        """RR_MODE of the workers."""
        return self._launcher.mode

    @property
    def relay(self) -> str:
        """How frames travel to the workers."""
        return self._launcher.relay

    @property
    def command(self) -> str:
        """What a worker is started with."""
        return " ".join(self._launcher.command)

    @property
    def alive(self) -> list[Worker]:
        """All of them."""
        return list(self._workers.values())

    @property
    def busy(self) -> list[Worker]:
        """Workers that have loads and may take more."""
        return [worker for worker in self._workers.values() if worker.outstanding and worker.lendable]

    @property
    def size(self) -> int:
        """Workers alive, retiring ones included."""
        return len(self._workers)

    @property
    def ready(self) -> int:
        """Workers that wait for a load."""
        return sum(worker.state is WorkerState.READY for worker in self._workers.values())

    @property
    def working(self) -> int:
        """Workers that execute one."""
        return sum(worker.state is WorkerState.WORKING for worker in self._workers.values())

    @property
    def target(self) -> int:
        """Workers it keeps, booting ones included."""
        return self._target

    @property
    def trouble(self) -> str:
        """Why the last worker did not start; "" since one did."""
        return self._boots.trouble

    @property
    def booting(self) -> int:
        """Workers that do not take loads yet."""
        return self._boots.count

    @property
    def resetting(self) -> bool:
        """Whether all workers are being replaced."""
        return self._reset_lock.locked()

    @property
    def scales(self) -> bool:
        """Whether the number of its workers follows what waits."""
        return self.config.limits is not None

    @property
    def range(self) -> Range:
        """How many workers it may have, and why it last changed their number."""
        return self._scaler.range if self._scaler else Range(self._target, self._target, "", 0.0)

    @property
    def exec_ttl_s(self) -> float:
        """Longest execution it lets a worker have; 0 is no limit."""
        return self.config.supervisor.exec_ttl_s

    @property
    def healthy(self) -> bool:
        """Whether it can serve: a worker is ready or working, or it makes one for each delivery."""
        return not self.stopping and (self.config.debug or self.ready + self.working > 0) and not self._boots.trouble

    async def start(self) -> None:
        """Boot all workers side by side; raises SpawnError, and then none is left."""
        self.stopping = False
        self._target = 0 if self.config.debug else self.config.fewest_workers
        try:
            await self._boots.many(self._target)
        except BaseException:
            await self.stop(0.0)
            raise
        self._tasks.start(self._supervise())
        if self.config.limits is not None:
            self._scaler = Scaler(self, self.config.limits, self._events)
        self._events.emit("pool.ready", pool=self.name, workers=self._target)

    async def stop(self, grace_s: float) -> None:
        """Stop all workers; what still runs after `grace_s` is cut off. Safe twice and before `start`."""
        self.stopping = True
        if self._scaler is not None:
            self._scaler.stop()
        self.idle.clear()
        await self._tasks.end()
        workers = list(self._workers.values())
        await asyncio.gather(*(worker.stop(grace_s, min(STOP_WAIT_S, max(grace_s, 1.0))) for worker in workers))

    async def reset(self) -> None:
        """Replace every worker: new ones first, then each old one stops after what it is doing."""
        async with self._reset_lock:
            if self.stopping:
                raise PoolStopped(f"pool {self.name} is stopping")
            old = list(self._workers.values())
            self._boots.overtaken()
            try:
                await self._boots.many(self._target)
            except SpawnError:
                self._refill()
                raise
            for worker in old:
                self._withdraw(worker, WorkerState.STOPPING)
            self._refill()  # new ones may have ended already
            await asyncio.gather(*(worker.stop(self.config.reset_timeout_s) for worker in old))
            self._events.emit("pool.reset", pool=self.name, workers=self._target)
        self._trim()

    async def add_worker(self) -> None:
        """One more; raises SpawnError, also at the limit."""
        if self._target >= MAX_WORKERS:
            raise SpawnError(f"pool {self.name} has {MAX_WORKERS} workers, the most it may have", command=())
        if not self.config.debug:
            try:
                await self._boots.many(1)
                self._target += 1
                self._tell_borrower()  # it became free before it counted
            finally:
                self._refill()  # while it was booted, it stood for any that ended
            self._moved_by_hand(1)

    async def remove_worker(self) -> None:
        """One less, but never the last one; waits for it up to destroy_timeout."""
        if self._target <= 1:
            return
        self._target -= 1
        self._moved_by_hand(-1)
        worker = self.idle[0] if self.idle else next(iter(self._lendable()), None)
        if worker is None:
            return  # all of them ended just now: one less is booted in their place
        self._withdraw(worker, WorkerState.DESTROYED)
        await worker.stop(self.config.destroy_timeout_s)

    def running(self) -> list[Running]:
        """What its workers execute now, the longest first."""
        return running(self._workers.values(), time.monotonic())

    def demand(self, waiting: int) -> None:
        """Deliveries wait and nobody is free: a debug pool makes a worker for each, a scaled one looks into it."""
        if self._scaler is not None:
            self._scaler.demand(waiting)
        if not self.config.debug or self.stopping:
            return
        wanted = min(waiting - self._boots.count, MAX_DEBUG_WORKERS - self._boots.count - len(self._workers))
        for _ in range(wanted):
            self._boots.expect()
            self._tasks.start(self._boot_for_debug())

    def backlog(self) -> Backlog:
        """See Scaled."""
        return self.borrower.backlog() if self.borrower is not None else Backlog(0, 0.0, 0)

    def grow(self, number: int) -> None:
        """See Scaled."""
        for _ in range(number):
            self._target += 1
            self._boots.expect()
            self._tasks.start(self._boot_one_more())

    def shrink(self, number: int) -> None:
        """See Scaled."""
        for worker in list(self.idle)[:number]:
            self._target -= 1
            self._withdraw(worker, WorkerState.DESTROYED)
            self._tasks.start(worker.stop(self.config.destroy_timeout_s))

    def wants_retirement(self, worker: Worker, state: WorkerState, why: str = "") -> None:
        """See WorkerOwner."""
        if self.stopping or not worker.lendable:
            return
        self._withdraw(worker, state)
        self._tasks.start(self._replace(worker, why or state.why))

    def swallows(self, mode: str) -> None:
        """See WorkerOwner."""
        if not self._boots.late_fences:
            self._boots.late_fences = True
            for worker in self._workers.values():
                worker.session.late_fences = True
        if self.borrower is not None:
            self.borrower.swallows(mode)

    def add(self, worker: Worker) -> None:
        """See Home."""
        self._workers[worker.pid] = worker

    def admit(self, worker: Worker) -> None:
        """See Home."""
        if self.borrower is not None:
            self.borrower.worker_free(worker)
        else:
            self.idle.append(worker)

    def dismiss(self, worker: Worker) -> None:
        """See Home."""
        worker.retire(WorkerState.STOPPING)
        self._tasks.start(worker.stop(0.0))

    def gone(self, worker: Worker) -> None:
        """See WorkerOwner."""
        self._workers.pop(worker.pid, None)
        if worker in self.idle:
            self.idle.remove(worker)
        self._refill()
        self._tell_borrower()

    def _tell_borrower(self) -> None:
        if self.borrower is not None:
            self.borrower.short_of_workers()

    def _refill(self) -> None:
        """Boot what is missing."""
        missing = self._target - self._boots.count - len(self._lendable())
        if self.stopping:
            return
        for _ in range(missing):
            self._boots.expect()
            self._tasks.start(self._boot_until_ready())

    def _trim(self) -> None:
        """Workers were removed, or all replaced, while others were booted: now there are too many, the newest last."""
        too_many = len(self._lendable()) + self._boots.count - self._target
        if too_many <= 0 or self.stopping or self.config.debug or self._reset_lock.locked():
            return
        for worker in sorted(self._lendable(), key=lambda one: one.outstanding)[:too_many]:
            self._withdraw(worker, WorkerState.DESTROYED)
            self._tasks.start(worker.stop(self.config.destroy_timeout_s))

    def _lendable(self) -> list[Worker]:
        return [worker for worker in self._workers.values() if worker.lendable]

    def _withdraw(self, worker: Worker, state: WorkerState) -> None:
        worker.retire(state)
        if worker in self.idle:
            self.idle.remove(worker)

    async def _replace(self, worker: Worker, reason: str) -> None:
        """A new one first. Its loads are finished before it is asked to end."""
        if not self.config.debug:
            self._boots.expect()
            await self._boot_until_ready()
        await worker.stop(self.config.destroy_timeout_s)
        if not self.config.debug:
            self._events.emit("worker.retired", pool=self.name, pid=worker.pid, reason=reason)

    async def _boot_until_ready(self) -> None:
        await self._boots.until_ready()
        self._trim()

    async def _boot_one_more(self) -> None:
        """Once: who has workers can do without one that does not start."""
        assert self._scaler is not None
        try:
            await self._boots.one()
        except SpawnError as err:
            self._target -= 1
            again_in_s = round(self._scaler.failed(), 1)
            self._events.emit("worker.spawn_failed", pool=self.name, error=str(err), again_in_s=again_in_s)
        else:
            self._scaler.started()

    async def _boot_for_debug(self) -> None:
        await self._boots.for_debug()
        if not self.stopping:
            self._tell_borrower()

    def _moved_by_hand(self, by: int) -> None:
        if self._scaler is not None:
            self._scaler.moved_by_hand(by)

    async def _supervise(self) -> None:
        limits = self.config.supervisor
        if not (limits.ttl_s or limits.idle_ttl_s or limits.max_worker_memory_mib):
            return
        while True:
            await asyncio.sleep(limits.watch_tick_s)
            now = time.monotonic()
            for worker in list(self._workers.values()):
                state = limit_reached(worker, limits, now) if worker.lendable else None
                if state is not None:
                    self.wants_retirement(worker, state)


def _unless_stopped(err: BaseException) -> None:
    """That a pool stops ends what boots in it; anything else is a bug, and to be seen."""
    if not isinstance(err, PoolStopped):
        raise err


def _unheard(worker: Worker, finished: int, elapsed_s: float) -> None:
    """Nobody lends."""
