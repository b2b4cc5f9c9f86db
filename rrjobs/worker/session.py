"""The conversation with one worker: loads written ahead, each with a fence behind it, and the answers between fences.

Behind every load goes a pid request. A worker answers it in order, so all frames between two pid answers belong to one
load: exactly one answer makes it `finished`, none or a second one is a fault of that load and of the worker.

A load's way: lent (written) --previous fence answered--> started --answer--> answered --fence answered--> finished.
Streaming programs of the published packages swallow what lies in the pipe behind a long stream, the fence too; see
`_swallowed`.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol
from zlib import crc32

from rrjobs.protocol.frame import (
    CONTROL,
    ERROR,
    HEADER_BYTES,
    MAX_HEADER_WORDS,
    PING,
    STREAM,
    STREAM_PONG,
    STREAM_STOP,
    unpack_u32,
)
from rrjobs.worker.load import Fault, FaultKind, Load

REMEMBERED_BYTES = 256
"""Answers up to this size are remembered whole, so that the same answer again needs no parsing."""

_STOP_REQUEST = b'{"stop":true}'
_MAX_KNOWN_HEADERS = 256


class SessionOwner(Protocol):
    """The worker, which acts on what the session finds out. All calls come from within `received`."""

    def progressed(self, finished: int, elapsed_s: float) -> None:
        """`finished` loads ended, `elapsed_s` after the first of them was started."""
        ...

    def broke(self, reason: str) -> None:
        """The worker broke the protocol; it must not be used any more."""
        ...

    def asked_to_stop(self) -> None:
        """The program answered a load with the request to be stopped; the load was returned."""
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
        self.window_bytes = window_bytes
        self.loads: deque[tuple[Load, int]] = deque()
        self.unread_bytes = 0
        self.started_at = 0.0
        self.executions = 0
        self.last_kind = ""
        """The kind of the load that was finished last."""
        self._buffer = b""
        self._big: bytearray | None = None
        self._needed = HEADER_BYTES
        self._headers: dict[bytes, tuple[int, int, int]] = {}
        self._pid_answer = b"\0"
        self._last = b""
        self._last_answer: tuple[int, bytes, bytes] = (0, b"", b"")
        self._answered = False
        self._streaming = False
        self._stop_sent = False
        self._swallowed = False
        self._spare_fences = 0
        self._spare_unsure = False
        self._broken = False
        self._failing: Fault | None = None
        self.in_doubt = False
        """Nothing may be lent until it is known whether a stream swallowed the loads behind it."""
        self.fault: Fault | None = None
        """What broke the session, for the load that was being executed; the owner adds what the process left."""

    def knows_pid_answer(self, frame: bytes) -> None:
        """The bytes with which this worker answered the first pid request, and will answer every fence."""
        self._pid_answer = frame

    @property
    def head(self) -> Load | None:
        """The load the worker is executing."""
        return self.loads[0][0] if self.loads else None

    @property
    def streaming(self) -> bool:
        """Whether the head is in the middle of a streamed answer."""
        return self._streaming

    def lend(self, frames: Sequence[tuple[Load, bytes]]) -> None:
        """Write encoded loads in one go. Whoever calls keeps the unread bytes within the window, one big load apart."""
        fence = self._fence
        if not self.loads:
            self.started_at = self._clock()
        if len(frames) == 1:
            load, frame = frames[0]
            size = len(frame) + len(fence)
            self.loads.append((load, size))
            self.unread_bytes += size
            if size <= self.window_bytes:
                self._write(frame + fence)
            else:
                self._write(frame)
                self._write(fence)
            return
        parts: list[bytes] = []
        for load, frame in frames:
            size = len(frame) + len(fence)
            self.loads.append((load, size))
            self.unread_bytes += size
            parts.append(frame)
            parts.append(fence)
        self._write(b"".join(parts))

    def stop_stream(self) -> None:
        """Ask the worker to end the stream it is sending; what still comes is dropped."""
        if self._streaming and not self._stop_sent:
            self._stop_sent = True
            self._write(STREAM_STOP)

    def received(self, data: bytes) -> None:
        """Bytes from the worker, cut anywhere."""
        if self._broken:
            return
        if self._big is not None:
            self._big += data
            if len(self._big) < self._needed:
                return
            data, self._big = bytes(self._big), None
        elif self._buffer:
            data = self._buffer + data
        self._buffer = b""
        finished_before, began = self.executions, self.started_at
        position = self._consume(data)
        if position < len(data) and not self._broken:
            self._keep(data[position:])
        finished = self.executions - finished_before
        if finished:
            now = self._clock()
            self.started_at = now
            self._owner.progressed(finished, now - began)

    def _consume(self, data: bytes) -> int:
        position, end = 0, len(data)
        self._needed = HEADER_BYTES
        last, loads, pid_answer = self._last, self.loads, self._pid_answer
        while end - position >= HEADER_BYTES:
            if last and loads and not self._answered and not self._streaming and data.startswith(last, position):
                flags, context, body = self._last_answer
                load = loads[0][0]
                load.answer(flags, 0, context, body)
                self._finish()
                position += len(last)
                continue
            if data.startswith(pid_answer, position):
                if self._streaming or (not loads and not self._spare_fences):
                    self._break(FaultKind.MALFORMED, "an answer to a pid request that was not asked")
                    return position
                began = position
                position += len(pid_answer)
                self._fence_passed()
            else:
                total = self._frame(data, position, end)
                if total == 0:
                    return position
                began, position = position, position + total
                self._remember(data, began, position, end)
                last = self._last
            if self._broken:
                return position
        return position

    def _frame(self, data: bytes, position: int, end: int) -> int:
        """Handle the frame that begins at `position`; its length, or 0 when it is not complete or not a frame."""
        key = data[position : position + 10]
        header = self._headers.get(key)
        if header is None:
            header = self._check_header(key)
            if header is None:
                return 0
        words, flags, total = header
        if end - position < total:
            self._needed = total
            return 0
        stream = data[position + 10]
        payload_at = position + 4 * words
        if flags & ERROR:
            self._error(data[payload_at : position + total])
        elif flags & CONTROL or words != 4:
            self._break(FaultKind.MALFORMED, f"a frame with flags {flags:#04x} and {words - 3} options is no answer")
        else:
            cut = payload_at + unpack_u32(data, position + 12)[0]
            if cut > position + total:
                self._break(FaultKind.MALFORMED, "the length of the context exceeds the payload")
            else:
                self._answer(flags, stream, data[payload_at:cut], data[cut : position + total])
        return total

    def _check_header(self, key: bytes) -> tuple[int, int, int] | None:
        words = key[0] & 0x0F
        if not 3 <= words <= MAX_HEADER_WORDS or crc32(key[:6]) != unpack_u32(key, 6)[0]:
            self._break(FaultKind.MALFORMED, f"bytes that are no frame: {key!r}")
            return None
        header = (words, key[1], words * 4 + int(unpack_u32(key, 2)[0]))
        if len(self._headers) >= _MAX_KNOWN_HEADERS:
            self._headers.clear()
        self._headers[key] = header
        return header

    def _answer(self, flags: int, stream: int, context: bytes, body: bytes) -> None:
        if not self.loads:
            self._break(FaultKind.MALFORMED, "an answer although nothing was asked")
            return
        if self._answered:
            self._break(FaultKind.DOUBLED, "a second answer to one delivery")
            return
        if not body and context == _STOP_REQUEST and not self._streaming:
            self._hand_back_head()
            return
        load = self.loads[0][0]
        if stream & STREAM:
            self._streaming = True
            if stream & PING:
                self._write(STREAM_PONG)
            if stream & PING or self._polls_input:
                self._swallowed = True
            self.started_at = self._clock()
            if not load.answer(flags, stream, context, body):
                self.stop_stream()
            return
        self._answered = True
        self._in_step()
        load.answer(flags, stream, context, body)
        if self._streaming:
            self._end_of_stream()

    def _in_step(self) -> None:
        """An answer to a load: a stream before it did not swallow it, and what was before it comes no more."""
        self.in_doubt = False
        if self._spare_unsure:
            self._spare_unsure = False
            self._spare_fences = 0

    def _end_of_stream(self) -> None:
        """Find out whether the stream swallowed what was written behind it (see _fence_passed)."""
        self._streaming = self._stop_sent = False
        if not self._swallowed:
            return
        self._swallowed = False
        self.in_doubt = len(self.loads) > 1
        self._spare_unsure = not self.in_doubt
        self._last = b""
        added = 2 if self.in_doubt else 1
        self._spare_fences += added
        self._write(self._fence * added)

    def _error(self, message: bytes) -> None:
        if not self.loads:
            self._break(FaultKind.MALFORMED, "an error frame although nothing was asked")
            return
        if self._answered:
            self._break(FaultKind.DOUBLED, "an error frame after the answer")
            return
        self._answered = True
        self._in_step()
        self._failing = Fault(FaultKind.ERROR, message.decode("utf-8", "replace"))
        if self._streaming:
            self._end_of_stream()

    def _fence_passed(self) -> None:
        """One pid answer. After a stream that may have swallowed loads two more were asked for.

        Two in a row prove that it did: the loads between were never started. An answer first proves that it did not.
        """
        if self._answered:
            self._finish()
        elif self.in_doubt:
            self.in_doubt = False
            self._spare_fences = 0
            self._hand_back([load for load, _ in self.loads])
            self.loads.clear()
            self.unread_bytes = 0
        elif self._spare_fences:
            self._spare_fences -= 1
            self._spare_unsure = False
        else:
            self._break(FaultKind.UNANSWERED, "the program asked for the next delivery without answering this one")

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

    def _hand_back_head(self) -> None:
        self._in_step()
        load, size = self.loads.popleft()
        self.unread_bytes -= size
        self._spare_fences += 1
        load.returned()
        self._owner.asked_to_stop()

    @staticmethod
    def _hand_back(loads: Sequence[Load]) -> None:
        """Last first: each goes before its equals, so the order is kept."""
        for load in reversed(loads):
            load.returned()

    def _break(self, kind: FaultKind, message: str) -> None:
        self._broken = True
        self.fault = Fault(kind, message)
        self._owner.broke(message)

    def end(self) -> tuple[Load | None, list[Load]]:
        """The process is gone: the load it had started, if it is still unsettled, and those it never started.

        A load that was answered whole with nothing after it is finished: the end of the process is its fence.
        """
        if self.loads and self._answered and not self._broken:
            self._finish()
        self._broken = True
        rest = [load for load, _ in self.loads]
        self.loads.clear()
        self.unread_bytes = 0
        if not rest:
            return None, []
        return rest[0], rest[1:]

    def _keep(self, rest: bytes) -> None:
        if self._needed > len(rest) and self._needed > 65536:
            self._big = bytearray(rest)
        else:
            self._buffer = rest

    def _remember(self, data: bytes, began: int, position: int, end: int) -> None:
        """Keep a small plain answer together with its fence: most programs give the same answer again and again."""
        pid_answer = self._pid_answer
        size = position - began
        if (
            size > REMEMBERED_BYTES
            or not self._answered
            or self._failing is not None
            or self._streaming
            or self._spare_fences
            or not data.startswith(pid_answer, position)
        ):
            return
        cut = began + 16 + unpack_u32(data, began + 12)[0]
        self._last = data[began : position + len(pid_answer)]
        self._last_answer = (data[began + 1], data[began + 16 : cut], data[cut:position])
