"""One PHP worker: its process, its session, its state, and its end.

booting --handshake--> ready <-> working --retire()--> retiring --stop()--> stopping --> gone
booting, ready, working --death, exec_ttl, broken protocol--> errored --> gone
"""

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Protocol

from rrjobs.errors import ProtocolError, SpawnError
from rrjobs.protocol.frame import STOP_COMMAND, pid_request
from rrjobs.protocol.relay import FrameWriter, QuickAck
from rrjobs.runtime.events import Events
from rrjobs.worker.clocks import Clocks, Limits
from rrjobs.worker.handshake import pid_answer, until_connected
from rrjobs.worker.last_words import report_failure, spawn_error
from rrjobs.worker.launcher import Launcher
from rrjobs.worker.load import Fault, FaultKind, Load
from rrjobs.worker.output import OutputReader
from rrjobs.worker.process import Process
from rrjobs.worker.relay_reader import RelayReader
from rrjobs.worker.session import Session
from rrjobs.worker.state import WorkerState

STOP_WAIT_S = 10.0
"""How long a worker may take to end after the stop command (RoadRunner: fixed, the same)."""

CLOSED_RELAY_S = 1.0
"""How long a process may live on without its relay."""

_DOUBT = "written behind a stream in which the program loses its input: the worker was given up, this may have begun"

_LOST = "its PHP package drops what is written to it in the middle of a stream; the pool does so no more from now on"


class WorkerOwner(Protocol):
    """The pool. All calls are made on the loop."""

    def progressed(self, worker: "Worker", finished: int, elapsed_s: float) -> None:
        """`finished` loads ended; the worker may be lent more if it is lendable."""
        ...

    def wants_retirement(self, worker: "Worker", state: WorkerState, why: str = "") -> None:
        """The worker must be replaced and stopped; `why` when the state alone does not say it."""
        ...

    def swallows(self, mode: str) -> None:
        """The program loses what is written to it in the middle of a stream with which it answers this mode."""
        ...

    def gone(self, worker: "Worker") -> None:
        """The process was reaped and everything it held was settled."""
        ...


class Worker:
    """Made by `boot`; from then on it is the pool's."""

    def __init__(
        self,
        process: Process,
        launcher: Launcher,
        owner: WorkerOwner,
        events: Events,
        pool: str,
        limits: Limits,
    ) -> None:
        self.process = process
        self.pid = process.pid
        self.lendable = False
        """Whether it takes loads now."""
        self.created_ns = time.time_ns()
        self.created_at = time.monotonic()
        self.limit = 0
        self.depth_cap = 1
        """How deep the kinds of load it has now may ride; the lender keeps it."""
        self.session: Session
        self._clocks: Clocks
        self._limits = limits
        self._state = WorkerState.INACTIVE
        self._launcher = launcher
        self._owner = owner
        self._events = events
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._writer: FrameWriter
        self._reader: RelayReader
        self._fault: Fault | None = None
        self._blamed: Load | None = None
        self._given_up = False
        self._quick_ack: QuickAck | None = None
        self._quiet: asyncio.Event | None = None  # made by the first who waits for the end of all loads
        self._output = OutputReader(process.pipes.output, self._loop, self._printed)

    @property
    def state(self) -> WorkerState:
        """One that takes loads works when it has some."""
        if self.lendable and self.session.loads:
            return WorkerState.WORKING
        return self._state

    @property
    def outstanding(self) -> int:
        """Loads it has and did not finish."""
        return len(self.session.loads)

    @property
    def reads_nothing(self) -> bool:
        """Whether all it was lent still lies unread in its pipe; asks the kernel."""
        return 0 < self.session.unread_bytes <= self.process.unread_bytes()

    @property
    def last_used_at(self) -> float:
        """When it began or ended its last load, by the monotonic clock."""
        return self.session.started_at

    @property
    def executions(self) -> int:
        """Loads it finished."""
        return self.session.executions

    @property
    def remaining(self) -> int:
        """How many more loads it may be given before max_jobs."""
        if not self.limit:
            return 1 << 30
        return self.limit - self.session.executions - len(self.session.loads)

    async def boot(self, timeout_s: float) -> None:
        """Shake hands; raises SpawnError, after which the process is gone."""
        heard = bytearray()
        try:
            async with asyncio.timeout(timeout_s):
                await until_connected(self.process, self._launcher)
                self._open()
                self._writer.write(pid_request(os.getpid()))
                first = await pid_answer(self.process, heard)
                if self.process.ended.is_set():  # reaped in the turn of its answer: its end would be told to nobody
                    raise ProtocolError("ended with its answer to the handshake")
        except TimeoutError as err:
            await self._abandon()
            reason = f"did not answer the handshake within {timeout_s:g} s (allocate_timeout)"
            raise self._spawn_error(reason, heard) from err
        except (ProtocolError, OSError) as err:
            await self._abandon()
            raise self._spawn_error(str(err), heard) from err
        except BaseException:
            await self._abandon()
            raise
        self.session.knows_pid_answer(first)
        self.process.on_end = self._ended
        self._state = WorkerState.READY
        self.lendable = True
        self._reader.start()
        self._events.emit("worker.started", pid=self.pid, pool=self._pool)
        self._output.hand_over()

    def lend(self, frames: Sequence[tuple[Load, bytes]]) -> None:
        """Give it encoded loads; the caller kept to `remaining` and to the session's window."""
        self.session.lend(frames)
        if self._limits.exec_ttl_s or self.session.late_fences:
            self._clocks.lent()

    def lend_one(self, load: Load, frame: bytes) -> None:
        """The same with one, to a worker that has none."""
        self.session.lend_one(load, frame)
        if self._limits.exec_ttl_s or self.session.late_fences:
            self._clocks.lent()

    def pause_stream(self) -> None:
        """See Flow. The clock of exec_ttl stands still meanwhile: the program waits for us."""
        if self._reader.hold():
            self._clocks.paused = True

    def resume_stream(self) -> None:
        """See Flow."""
        if self._reader.go_on():
            self._clocks.paused = False
            self.session.started_at = time.monotonic()

    def stop_stream(self) -> None:
        """See Flow."""
        self.resume_stream()
        self.session.stop_stream()

    def retire(self, state: WorkerState) -> None:
        """Lend it no more."""
        if self.lendable:
            self.lendable = False
            self._state = state

    async def stop(self, wait_s: float, then_s: float = STOP_WAIT_S) -> None:
        """Let it finish what it has for `wait_s`, ask it to end, kill it `then_s` later; returns when it is gone."""
        if self.process.ended.is_set():
            return
        self.retire(WorkerState.STOPPING)
        try:
            async with asyncio.timeout(wait_s):
                await self._all_finished()
        except TimeoutError:
            self.kill(FaultKind.CUT_OFF, f"not finished within {wait_s:g} s of grace")
        if self._state is not WorkerState.ERRORED:
            self._state = WorkerState.STOPPING
            self._writer.write(STOP_COMMAND)
        try:
            async with asyncio.timeout(then_s):
                await self.process.ended.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.ended.wait()

    async def _all_finished(self) -> None:
        if self.session.loads:
            if self._quiet is None:
                self._quiet = asyncio.Event()
            await self._quiet.wait()

    def kill(self, kind: FaultKind, message: str) -> None:
        """SIGKILL; what it was executing fails with this, what it had not started is returned."""
        if self._fault is None:
            self._fault = Fault(kind, message)
            self._blamed = self.session.head
        self.lendable = False
        self._state = WorkerState.ERRORED
        self.process.kill()

    def progressed(self, finished: int, elapsed_s: float) -> None:
        """See SessionOwner."""
        if self._quiet is not None and not self.session.loads:
            self._quiet.set()
        self._owner.progressed(self, finished, elapsed_s)
        if self.limit and self.session.executions >= self.limit and self.lendable:
            self._owner.wants_retirement(self, WorkerState.MAX_JOBS_REACHED)

    def broke(self, reason: str) -> None:
        """See SessionOwner."""
        self.kill(FaultKind.MALFORMED, reason)

    def asked_to_stop(self) -> None:
        """See SessionOwner."""
        self._owner.wants_retirement(self, WorkerState.INVALID)
        if not self.session.loads and self._quiet is not None:
            self._quiet.set()

    def streams(self, load: Load) -> None:
        """See SessionOwner."""
        load.streams(self)

    def abandoned(self) -> None:
        """See SessionOwner."""
        self._clocks.abandoned()

    def swallows(self, load: Load) -> None:
        """See SessionOwner."""
        self._owner.swallows(load.mode)

    def lost_step(self, *, others: bool) -> None:
        """See SessionOwner."""
        if others:
            self._given_up = True
            self.retire(WorkerState.INVALID)
            self.process.kill()
        else:
            self._owner.wants_retirement(self, WorkerState.INVALID, _LOST)

    def _relay_closed(self) -> None:
        """Nearly always the process is about to end; one that goes on without its relay is of no use."""
        self.retire(WorkerState.INVALID)
        self._loop.call_later(CLOSED_RELAY_S, self._kill_if_alive)

    def _kill_if_alive(self) -> None:
        if self.process.returncode is None and self.state is not WorkerState.STOPPING:
            self.kill(FaultKind.CRASHED, "the worker closed its relay")

    def _printed(self, line: str) -> None:
        head = self.session.head if self.state is not WorkerState.INACTIVE else None
        self._events.emit("worker.output", pid=self.pid, id=head.ident if head else None, text=line)

    def _write_failed(self, err: OSError) -> None:
        if self.process.returncode is None:
            self.kill(FaultKind.CRASHED, f"cannot be written to: {err.strerror or err}")

    def _open(self) -> None:
        """It is connected: what is said from now on is the session's."""
        pipes = self.process.pipes
        self._writer = FrameWriter(pipes.to_worker, self._loop, self._write_failed)
        relay = self._launcher.relay
        polls_input = relay not in ("private", "pipes")
        if relay.startswith("tcp:"):
            self._quick_ack = QuickAck(pipes.from_worker)
        fence = pid_request(os.getpid())
        self.session = Session(self, self._writer.write, fence, self._writer.window_bytes, polls_input)
        self.session.pid = self.pid
        self._reader = RelayReader(pipes, self._output, self.session.received, self._relay_closed, self._quick_ack)
        self._clocks = Clocks(self, self.process, self.session, self._limits)

    async def _abandon(self) -> None:
        self.process.kill()
        await asyncio.shield(self.process.ended.wait())
        self._output.drain()
        self._release()

    def _spawn_error(self, reason: str, heard: bytes | bytearray) -> SpawnError:
        return spawn_error(self._launcher.command, self.process, reason, heard, self._output.tail)

    def _ended(self) -> None:
        """The process was reaped: take what it still said, settle what it had, report, tell the pool."""
        self._reader.rest()
        self._output.drain()
        expected = self.state in (WorkerState.STOPPING, WorkerState.DESTROYED)
        head, rest = self.session.end(self._unread_bytes(), self._blamed)
        for load in reversed(rest):
            load.returned()
        for load in reversed(self.session.doubtful):
            load.in_doubt(Fault(FaultKind.CUT_OFF, _DOUBT, pid=self.pid))
        clean = expected or self._given_up or self.process.exit_code == 0
        if head is not None or self.state is WorkerState.ERRORED or not clean:
            cause = self.session.fault or self._fault
            report_failure(self._events, self._pool, self.process, cause, head, self._output.tail)
        else:
            self._events.emit("worker.stopped", pid=self.pid, pool=self._pool)
        self.lendable = False
        self._state = WorkerState.STOPPED
        if self._quiet is not None:
            self._quiet.set()
        self._release()
        self._owner.gone(self)

    def _unread_bytes(self) -> int:
        return self.process.unread_bytes() + self._writer.waiting_bytes

    def _release(self) -> None:
        if hasattr(self, "_clocks"):
            self._clocks.stop()
            self._reader.stop()
        if self._quick_ack is not None:
            self._quick_ack.close()
        self._output.close()
        pipes = self.process.pipes
        if hasattr(self, "_writer"):
            self._writer.close()
        elif pipes.to_worker >= 0:
            os.close(pipes.to_worker)
        if pipes.from_worker >= 0:
            os.close(pipes.from_worker)
            pipes.from_worker = -1
        self.process.close_peek()
        self._launcher.ended(self.process)
