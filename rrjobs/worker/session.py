"""The conversation with one worker: loads written ahead, each with a fence behind it, and the answers between fences.

A fence is a pid request. A worker answers it in order, so all frames between two pid answers belong to one load:
exactly one answer makes it `finished`, none or a second one is a fault of that load and of the worker.

A load's way: lent (written) --previous fence answered--> started --answer--> answered --fence answered--> finished.

Published PHP packages lose what they find in their input in the middle of a stream, the fence too: from the first PING
on, on sockets at every chunk. Once a worker did so, its whole pool gets `late_fences`: a load lent alone gets its fence
only behind its answer. The one worker with which it was found out is given up, for nobody can know what it lost.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from rrjobs.protocol.frame import PING, STREAM, STREAM_PONG, STREAM_STOP
from rrjobs.worker.answers import STOP_REQUEST, AnswerReader
from rrjobs.worker.load import Fault, FaultKind, Load


class SessionOwner(Protocol):
    """The worker, which acts on what the session finds out. All calls but `abandoned` come from within `received`."""

    def progressed(self, finished: int, elapsed_s: float) -> None:
        """`finished` loads ended, `elapsed_s` after the first of them was started."""
        ...

    def broke(self, reason: str) -> None:
        """The worker broke the protocol; it must not be used any more."""
        ...

    def asked_to_stop(self) -> None:
        """The program answered a load with the request to be stopped; the load was refused."""
        ...

    def streams(self, load: Load) -> None:
        """The first part of a streamed answer is about to be handed to this load."""
        ...

    def abandoned(self) -> None:
        """Nobody listens to the stream that is being sent."""
        ...

    def swallows(self, load: Load) -> None:
        """The program loses what is written to it in the middle of such a load's stream."""
        ...

    def lost_step(self, *, others: bool) -> None:
        """It may have lost the fence behind a stream, and the `others` behind that: lend it nothing more.

        Without others it may end in peace, with them it has to be killed.
        """
        ...


class Session:
    """Pure but for `write`: bytes in by `received`, bytes out by `write`, loads told what became of them."""

    def __init__(
        self,
        owner: SessionOwner,
        write: Callable[[bytes], None],
        fence: bytes,
        window_bytes: int,
        polls_input: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._owner = owner
        self._write = write
        self._fence = fence
        self._clock = clock
        self._polls_input = polls_input
        self._reader = AnswerReader(self)
        self.window_bytes = window_bytes
        self.pid = 0
        self.late_fences = False
        self.loads: deque[tuple[Load, int]] = deque()
        self.unread_bytes = 0
        self.started_at = 0.0
        self.executions = 0
        self.last_kind = ""
        """The kind of the load that was finished last."""
        self.stopped = False
        """Nothing that still comes is looked at."""
        self.doubtful: list[Load] = []
        """After `end`: what a worker that was given up has read, and may have begun, or lost."""
        self.fault: Fault | None = None
        """What broke the session, for the load that was being executed; the owner adds what the process left."""
        self._answered = False
        self._failing: Fault | None = None
        self._owed_fences = 0  # answers still to come to the fences behind loads that were refused
        self._bare = False  # the only load has no fence behind it yet
        self._streaming = False
        self._abandoned = False
        self._swallowing = False
        self._lost_step = False

    def knows_pid_answer(self, frame: bytes) -> None:
        """The bytes with which this worker answered the first pid request, and will answer every fence."""
        self._reader.pid_answer = frame

    @property
    def head(self) -> Load | None:
        """The load the worker is executing."""
        return self.loads[0][0] if self.loads else None

    @property
    def abandoned(self) -> bool:
        """Whether the worker sends a stream that nobody listens to."""
        return self._abandoned

    def lend(self, frames: Sequence[tuple[Load, bytes]]) -> None:
        """Write encoded loads in one go. Whoever calls keeps the unread bytes within the window, one big load apart."""
        if not self.loads:
            if len(frames) == 1:
                self.lend_one(*frames[0])
                return
            self.started_at = self._clock()
        fence = self._fence
        parts = [fence] if self._bare else []
        if self._bare:
            self._count_late_fence()
            self._lost_step |= self._swallowing
        for load, frame in frames:
            self._add(load, len(frame) + len(fence))
            parts += (frame, fence)
        self._write(b"".join(parts))

    def lend_one(self, load: Load, frame: bytes) -> None:
        """The same for one load and a worker that has none."""
        self.started_at = self._clock()
        if self.late_fences:
            self._bare = True
            self._add(load, len(frame))
            self._write(frame)
            return
        size = len(frame) + len(self._fence)
        self.loads.append((load, size))
        self.unread_bytes += size
        if size <= self.window_bytes:
            self._write(frame + self._fence)
        else:
            self._write(frame)
            self._write(self._fence)

    def _add(self, load: Load, size: int) -> None:
        self.loads.append((load, size))
        self.unread_bytes += size

    def fence_head(self) -> None:
        """Write the late fence now, for a load that takes long: a program that forgot to answer will be found out."""
        if self._bare and not self._streaming:
            self._write_late_fence()

    def stop_stream(self) -> None:
        """Ask the worker to end the stream it is sending; what still comes is dropped.

        A stop behind other loads would end the stream of one of those: then the stream runs to its end.
        """
        if self._streaming and not self._abandoned:
            self._abandoned = True
            if len(self.loads) == 1:
                self._write(STREAM_STOP)
            self._owner.abandoned()

    def received(self, data: bytes) -> None:
        """Bytes from the worker, cut anywhere."""
        if self.stopped:
            return
        executions, began = self.executions, self.started_at
        reader = self._reader
        if data == reader.usual and self.loads and not (self._answered or self._bare or self._streaming):
            self.loads[0][0].answer(*reader.usual_parts)
            self._finish()
        else:
            reader.feed(data)
        finished = self.executions - executions
        if finished:
            now = self._clock()
            self.started_at = now
            self._owner.progressed(finished, now - began)

    # what the reader calls

    def answered(self, flags: int, stream: int, context: bytes, body: bytes) -> None:
        """See AnswerTaker."""
        if self._answered or not self.loads:
            self._out_of_turn("answer")
            return
        load = self.loads[0][0]
        if stream & STREAM:
            self._stream_part(load, flags, stream, context, body)
            return
        if not body and context == STOP_REQUEST and not self._streaming:
            self._refuse_head()
            return
        self._answered = True
        load.answer(flags, stream, context, body)
        if self._bare or self._streaming:
            self._close_answer()

    def errored(self, message: bytes) -> None:
        """See AnswerTaker."""
        if self._answered or not self.loads:
            self._out_of_turn("error frame")
            return
        self._answered = True
        self._failing = Fault(FaultKind.ERROR, message.decode("utf-8", "replace"), pid=self.pid)
        if self._bare or self._streaming:
            self._close_answer()

    def fence_passed(self) -> None:
        """See AnswerTaker."""
        if self._answered:
            self._finish()
        elif self._owed_fences:
            self._owed_fences -= 1
        elif self._lost_step and not self.loads:
            return  # of the two fences none was lost
        elif not self.loads or self._streaming or self._bare:
            self._break(FaultKind.MALFORMED, "an answer to a pid request that was not asked")
        else:
            self._break(FaultKind.UNANSWERED, "the program asked for the next delivery without answering this one")

    def unreadable(self, reason: str) -> None:
        """See AnswerTaker."""
        self._break(FaultKind.MALFORMED, reason)

    def end(self, unread: int = 0, blamed: Load | None = None) -> tuple[Load | None, list[Load]]:
        """The process is gone: the load it had started, if it is still unsettled, and those it never started.

        A load that was answered whole with nothing after it is finished: the end of the process is its fence. Of what
        was written to it, the last `unread` bytes were never read; `blamed`: for this load it was killed.
        """
        gave_up = self._lost_step and self._answered and not self.fault
        if self.loads and self._answered and not self.fault:
            self._finish()
        self.stopped = True
        unread_loads = _last(self.loads, unread)
        rest = [load for load, _ in self.loads]
        self.loads.clear()
        self.unread_bytes = 0
        if gave_up:
            self.doubtful = rest[: len(rest) - unread_loads]
            return None, rest[len(self.doubtful) :]
        if not rest or (unread_loads == len(rest) and rest[0] is not blamed):
            return None, rest
        return rest[0], rest[1:]

    def _stream_part(self, load: Load, flags: int, stream: int, context: bytes, body: bytes) -> None:
        if not self._streaming:
            self._streaming = True
            self._owner.streams(load)
        if stream & PING:
            self._write(STREAM_PONG)
        if (stream & PING or self._polls_input) and not self._swallowing:
            self._swallowing = True
            self._lost_step |= not self._bare
            self._owner.swallows(load)
        self.started_at = self._clock()
        if not load.answer(flags, stream, context, body):
            self.stop_stream()

    def _close_answer(self) -> None:
        """An answer that was a stream, or has no fence behind it, is whole."""
        self._streaming = self._abandoned = self._swallowing = False
        if self._bare:
            self._write_late_fence()
        if self._lost_step:
            self.stopped = len(self.loads) > 1
            if not self.stopped:
                self._write(self._fence)
            self._owner.lost_step(others=self.stopped)

    def _write_late_fence(self) -> None:
        self._count_late_fence()
        self._write(self._fence)

    def _count_late_fence(self) -> None:
        self._bare = False
        load, size = self.loads.popleft()
        self.loads.appendleft((load, size + len(self._fence)))
        self.unread_bytes += len(self._fence)

    def _finish(self) -> None:
        load, size = self.loads.popleft()
        self.unread_bytes -= size
        self._answered = False
        self.executions += 1
        self.last_kind = load.kind
        failing = self._failing
        if failing is None:
            load.finished()
        else:
            self._failing = None
            load.failed(failing)

    def _refuse_head(self) -> None:
        load, size = self.loads.popleft()
        self.unread_bytes -= size
        if self._bare:
            self._bare = False
        else:
            self._owed_fences += 1
        load.refused()
        self._owner.asked_to_stop()

    def _out_of_turn(self, what: str) -> None:
        if self._answered:
            self._break(FaultKind.DOUBLED, f"a second {what} to one delivery")
        else:
            self._break(FaultKind.MALFORMED, f"an {what} although nothing was asked")

    def _break(self, kind: FaultKind, message: str) -> None:
        self.stopped = True
        self.fault = Fault(kind, message)
        self._owner.broke(message)


def _last(loads: Sequence[tuple[Load, int]], unread: int) -> int:
    """How many of the loads, from the last on, lie whole within the last `unread` bytes."""
    found = 0
    for _, size in reversed(loads):
        unread -= size
        if unread < 0:
            break
        found += 1
    return found
