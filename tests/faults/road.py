"""The real dispatcher, lane, pool and workers over played processes, and the account of every delivery."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from fake_worker import Doing, FakeLauncher, Program
from virtual_time import VirtualClock, VirtualLoop

from rrjobs.errors import PoolStopped, SpawnError
from rrjobs.pipeline.delivery import MAX_REFUSALS, Delivery
from rrjobs.pipeline.dispatcher import Dispatcher
from rrjobs.protocol.frame import CODEC_RAW, STREAM, data_frame
from rrjobs.runtime.events import Events
from rrjobs.worker.config import PoolConfig
from rrjobs.worker.load import Fault, FaultKind, Flow
from rrjobs.worker.pool import Pool

SETTLE_S = 30.0
"""By the virtual clock."""

STILL_TURNS = 4
"""In which no program does anything, until nothing more is to be expected of the loop."""

CAPACITY = 12
PIPE_BYTES = 60_000


class Ticket(Delivery):
    """A delivery that knows what it may be told next, and fails the test on anything else.

    `may_end` is what the program's acts allow: `finished`, or kinds of fault.
    """

    mode: ClassVar[str] = "jobs"

    def __init__(self, number: int, priority: int, pipeline: str, size: int, road: "Road") -> None:
        super().__init__(pipeline, priority, "ticket")
        self.number = number
        self.size = size
        self.where = "queued"
        self.fate = ""
        self.may_end: set[str] = set()
        self.heard = 0
        self.listens = True
        self.flow: Flow | None = None
        self.lent_at = 0.0
        self.reads = 0
        self.road = road

    @property
    def ident(self) -> str:
        return str(self.number)

    @property
    def live(self) -> bool:
        """Still to be settled, unless nobody wants it and it is not with a worker."""
        return not self.fate and not (self.cancelled and self.where == "queued")

    def encode(self) -> bytes:
        assert not self.fate, f"{self} is lent after its end"
        assert self.attempt == 1, "a delivery that came back kept its attempt"
        self.road.left_queue(self)
        self.where, self.heard, self.flow, self.may_end = "lent", 0, None, set()
        self.lent_at = self.road.clock.now
        return data_frame(self.ident.encode(), b"x" * self.size, CODEC_RAW)

    def answer(self, flags: int, stream: int, context: bytes, body: bytes) -> bool:
        assert self.where == "lent" and not self.fate, f"{self} is answered"
        assert context == self.ident.encode(), f"{self} gets the answer to {context!r}"
        self.heard += 1
        if stream & STREAM:
            assert self.flow is not None, "a part came before `streams`"
        return self.listens

    def streams(self, flow: Flow) -> None:
        assert not self.heard, "`streams` came after a part"
        self.flow = flow

    def finished(self) -> None:
        assert self.heard, f"{self} finished without an answer"
        self._end("finished")

    def failed(self, fault: Fault) -> None:
        if fault.kind is FaultKind.REFUSED:
            assert self.refusals == MAX_REFUSALS
        self._end(str(fault.kind))

    def returned(self) -> None:
        assert not self.reads or self.where == "refused", f"{self} was started and is returned"
        assert self.where in ("lent", "refused"), f"{self} is returned"
        self._back()
        super().returned()

    def not_lent(self) -> None:
        assert self.where == "lent" and not self.reads, f"{self} is said to be not lent"
        self._back()

    def refused(self) -> None:
        assert "refused" in self.may_end, f"{self} is refused"
        self.where = "refused"
        super().refused()

    def in_doubt(self, fault: Fault) -> None:
        polled = any(self.ident in program.polled for program in self.road.launcher.programs)
        assert polled or self.reads or self.size > PIPE_BYTES, f"{self} was not read, and is said to be in doubt"
        self.may_end = {"cut_off"}
        super().in_doubt(fault)

    def dropped(self, reason: str) -> None:
        assert self.road.draining and self.where == "queued", f"{self} is dropped"
        self.road.forget(self)
        self._settle("dropped")

    def _back(self) -> None:
        self.where, self.reads = "queued", 0
        self.road.queues.setdefault(self.priority, deque()).appendleft(self)

    def _end(self, how: str) -> None:
        assert self.where in ("lent", "refused"), f"{self} ends although it was never lent"
        assert how in self.may_end | self.road.may_always(self), f"{self} ends {how}, not {self.may_end}"
        self._settle(how)

    def _settle(self, how: str) -> None:
        assert not self.fate, f"{self} was settled twice: {self.fate}, then {how}"
        self.fate, self.where, self.flow = how, "settled", None

    def __repr__(self) -> str:
        return f"<ticket {self.number} {self.where} {self.fate}>"


class Request(Ticket):
    """One of the other kind: its streams are taken."""

    mode: ClassVar[str] = "http"


class Road:
    """Owns the loop. Nothing moves but in `turn`, so that every order of events can be played."""

    def __init__(self, prefetch: int | str, swallows: bool, pool: dict[str, Any]) -> None:
        self.clock = VirtualClock()
        self._clock_in_place = contextlib.ExitStack()
        self._clock_in_place.enter_context(self.clock.in_place())
        self.loop = VirtualLoop(self.clock)
        self.raised: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.raised.append(context))
        self.launcher = FakeLauncher(swallows)
        self.prefetch = prefetch
        self.tickets: list[Ticket] = []
        self.queues: dict[int, deque[Ticket]] = {}
        self.draining = False
        self.workers_wanted = pool["num_workers"]
        self.cut_off = False
        self._tasks: list[asyncio.Task[Any]] = []
        self.config = PoolConfig.model_validate(pool)
        self.until_done(self.loop.create_task(self._start()))

    async def _start(self) -> None:
        events = Events()
        self.pool = Pool("fake", self.config, self.launcher, events)  # type: ignore[arg-type]
        self.dispatcher = Dispatcher(CAPACITY, events)
        self.dispatcher.add_lane("any", self.pool, {"http": self.prefetch, "jobs": self.prefetch})
        await self.pool.start()

    # the account

    def may_always(self, ticket: Ticket) -> set[str]:
        """Faults that need no act of the program: it may be killed for its age, or by the end of the server."""
        faults = {"cut_off"} if self.cut_off else set()
        if ticket.size > PIPE_BYTES and not ticket.reads:
            faults.add("crashed")  # it does not fit the pipe: nobody can tell whether its reading had begun
        limit_s = self.config.supervisor.exec_ttl_s
        if limit_s and self.clock.now - ticket.lent_at >= limit_s * 0.9:
            faults.add("timed_out")
        if ticket.refusals == MAX_REFUSALS:
            faults.add("refused")
        return faults

    def left_queue(self, ticket: Ticket) -> None:
        """Lent: it must have been the first of all that wait."""
        assert ticket.where == "queued", f"{ticket} is lent twice"
        for priority in sorted(self.queues):
            waiting = [one for one in self.queues[priority] if not one.cancelled]
            if waiting:
                assert waiting[0] is ticket, f"{ticket} goes before {waiting[0]}"
                break
        self.forget(ticket)

    def forget(self, ticket: Ticket) -> None:
        """It is in the queue no more."""
        self.queues[ticket.priority].remove(ticket)

    def put(self, ticket: Ticket, offer: bool) -> None:
        """By either way in."""
        sink = self.dispatcher.sink("any")
        self.queues.setdefault(ticket.priority, deque()).append(ticket)
        if offer:
            full = self.dispatcher.waiting("any") >= CAPACITY
            assert sink.offer(ticket) is not (full or self.draining)
            taken = not (full or self.draining)
        else:
            try:
                sink.put(ticket)
                taken = True
            except PoolStopped:
                taken = False
            assert taken is not self.draining
        if taken:
            self.tickets.append(ticket)
        else:
            self.forget(ticket)

    def remove(self, pipeline: str) -> None:
        """What a pipeline that is destroyed takes out."""
        wanted = [one for at in sorted(self.queues) for one in self.queues[at] if one.pipeline == pipeline]
        taken = self.dispatcher.sink("any").remove(pipeline)
        assert [one for one in taken if not one.cancelled] == [one for one in wanted if not one.cancelled]
        for ticket in wanted:
            self.forget(ticket)
            if not ticket.cancelled:
                ticket.fate, ticket.where = "removed", "removed"

    def of(self, program: Program) -> Ticket:
        """The delivery a program is executing."""
        return self.tickets[int(program.ident)]

    @property
    def booted(self) -> list[Program]:
        """Programs that live and have become workers."""
        pids = {worker.pid for worker in self.pool.alive}
        return [program for program in self.launcher.living if program.pid in pids]

    # the loop

    @property
    def busy_operators(self) -> int:
        """What was asked of the pool and has not ended."""
        return len(self._tasks)

    def do(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run it beside everything else."""
        self._tasks.append(self.loop.create_task(work))

    def turn(self, times: int = 1) -> bool:
        """Programs that read take one frame, then the loop turns; whether any program did something."""
        moved = False
        for _ in range(times):
            for program in list(self.launcher.programs):
                if program.step():
                    moved = True
                    if program.doing is Doing.EXECUTING:
                        self._began(program)
            self.loop.turn()
        self._look_for_errors()
        return moved

    def wait(self, for_s: float) -> None:
        """Time passes, and nobody outside does anything."""
        end = self.clock.now + for_s
        while self.clock.now < end:
            self.quiet()
            self.loop.pass_over(end - self.clock.now)
        self.quiet()

    def quiet(self) -> None:
        """Turn until nobody does anything any more."""
        still = 0
        while still < STILL_TURNS:
            still = 0 if self.turn() else still + 1

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Turn until it holds."""
        deadline, still = self.clock.now + SETTLE_S, 0
        while not condition():
            assert self.clock.now < deadline, f"did not happen: {what}; {self}"
            still = 0 if self.turn() else still + 1
            if still >= STILL_TURNS:
                self.loop.pass_over(0.1)

    def until_done(self, task: asyncio.Task[Any]) -> Any:
        """Its result."""
        self.until(task.done, "a task ends")
        return task.result()

    def _began(self, program: Program) -> None:
        ticket = self.of(program)
        assert ticket.where == "lent", f"{ticket} is started"
        assert not ticket.reads, f"{ticket} is started twice"
        ticket.reads += 1

    def _look_for_errors(self) -> None:
        for context in self.raised:
            raise AssertionError(context) from context.get("exception")
        for task in [one for one in self._tasks if one.done()]:
            self._tasks.remove(task)
            if not isinstance(task.exception(), SpawnError | PoolStopped | None.__class__):
                raise AssertionError(task) from task.exception()

    # the end

    def settle_all(self) -> None:
        """Every program behaves from now on; everything that was put must come to its end."""
        self.launcher.failures = 0
        for program in self.launcher.programs:
            program.asleep = False
        self.until(self._settled, "all is settled")
        assert self.dispatcher.running("any") == 0
        waiting = [one for queue in self.queues.values() for one in queue]
        assert all(one.cancelled for one in waiting)
        assert self.dispatcher.waiting("any") <= len(waiting)
        for ticket in self.tickets:
            assert bool(ticket.fate) is not (ticket.cancelled and ticket.where == "queued")

    def _settled(self) -> bool:
        for program in self.launcher.living:
            self.behave(program)
        for ticket in self.tickets:
            if ticket.flow is not None:
                ticket.flow.resume_stream()
        return not self._tasks and not any(ticket.live for ticket in self.tickets)

    def behave(self, program: Program) -> None:
        """Answer what it has, and read on."""
        if program.doing in (Doing.EXECUTING, Doing.STREAMING):
            self.of(program).may_end = {"finished"}
            program.answer()
        if program.doing is Doing.ANSWERED:
            program.read_on()

    def full_house(self) -> None:
        """After all that happened the pool has its workers again, all of them free."""
        self.until(self._all_free, "every worker is there and free")
        assert all(worker.lendable and not worker.outstanding for worker in self.pool.idle)

    def _all_free(self) -> bool:
        pids = {worker.pid for worker in self.pool.idle}
        wanted = len(pids) if self.config.debug else self.workers_wanted
        living = {program.pid for program in self.launcher.living}
        return len(self.pool.idle) == self.pool.size == wanted and pids == living

    async def grow(self) -> None:
        """One worker more."""
        await self.pool.add_worker()
        self.workers_wanted += 1

    async def shrink(self) -> None:
        """One worker less, never the last."""
        self.workers_wanted = max(1, self.workers_wanted - 1)
        await self.pool.remove_worker()

    def stop(self, grace_s: float) -> None:
        """Stop the pool and prove that nothing is left."""
        self.cut_off = True
        self.until_done(self.loop.create_task(self.pool.stop(grace_s)))
        self.until(lambda: not self._tasks, "what was asked of the pool ends")
        assert not self.launcher.living
        assert sorted(self.launcher.ended_pids) == [program.pid for program in self.launcher.programs], self.launcher
        assert self.pool.size == 0 and not self.pool.idle
        assert not asyncio.all_tasks(self.loop)

    def close(self) -> None:
        """Whatever happened, nothing is open afterwards."""
        for _ in range(200):
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            for program in self.launcher.living:
                program.process.end(-9)
            self.loop.turn()
            if not asyncio.all_tasks(self.loop) and not self.pool.alive:
                break
        self.loop.close()
        self._clock_in_place.close()

    def __repr__(self) -> str:
        live = [ticket for ticket in self.tickets if ticket.live]
        programs = [(one.pid - (1 << 23), one.doing.name, one.ident) for one in self.launcher.living]
        states = [(worker.pid - (1 << 23), worker.state.name, worker.outstanding) for worker in self.pool.alive]
        return f"live {live}, programs {programs}, workers {states}, tasks {self._tasks}"
