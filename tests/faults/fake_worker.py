"""A worker process played inside the test: real pipes and real frames, but a program that does what it is told.

Like PHP's it reads one frame at a time, and nothing while it executes a delivery: the rest stays in the pipe.
It answers each pid request when it comes to it, in order.
"""

import asyncio
import contextlib
import os
from collections import deque
from enum import Enum

from rrjobs.errors import SpawnError
from rrjobs.protocol.frame import (
    CONTROL,
    ERROR,
    HEADER_BYTES,
    PING,
    PONG,
    STOP,
    STREAM,
    Frame,
    FrameParser,
    data_frame,
    plain_frame,
)
from rrjobs.worker.process import Pipes, Process

FIRST_PID = 1 << 23  # no kernel gives such a number: nothing real can be hit or looked at by mistake
STOP_REQUEST = b'{"stop":true}'


class Doing(Enum):
    """What the program is at."""

    READING = "waits for its next frame"
    EXECUTING = "has a delivery it has not answered"
    STREAMING = "sent parts of a streamed answer"
    ANSWERED = "answered, and has not read on"
    GONE = "ended"


class FakeProcess(Process):
    """Looks to the server like a child: ended by `kill`, or by its program; reaped a turn of the loop later."""

    def __init__(self, pid: int, pipes: Pipes, program: "Program") -> None:
        self.pid = pid
        self.pipes = pipes
        self.ended = asyncio.Event()
        self.on_end = None
        self.program = program
        self._loop = asyncio.get_running_loop()
        self._code: int | None = None
        self._dying = False

    @property
    def returncode(self) -> int | None:
        return self._code

    def kill(self) -> None:
        self.end(-9)

    def end(self, code: int) -> None:
        """The program ends; whoever holds its pipes sees that before anybody has reaped it."""
        if not self._dying:
            self._dying = True
            self.program.close()
            self._loop.call_soon(self._reaped, code)

    def _reaped(self, code: int) -> None:
        self._code = code
        self.ended.set()
        if self.on_end is not None:
            self.on_end()


class Program:
    """The side of the worker. `swallows`: in the middle of a stream it loses its input, as published ones do."""

    def __init__(self, pid: int, read_end: int, write_end: int, output: int, swallows: bool) -> None:
        self.pid = pid
        self.doing = Doing.READING
        self.ident = ""
        self.executed = 0
        self.asleep = False
        self.refused = False
        self.polled: set[str] = set()
        self.process: FakeProcess
        self._swallows = swallows
        self._kept: deque[Frame] = deque()
        self._unread = b""
        self._parser = FrameParser()
        self._fds = (read_end, write_end, output)
        self._read_end, self._write_end, self._output = self._fds
        self._outbox = bytearray()

    @property
    def gone(self) -> bool:
        return self.doing is Doing.GONE

    def step(self) -> bool:
        """Read at most one frame, if that is what it is at; whether anything happened."""
        wrote = self._flush()
        if self.doing is not Doing.READING or self.asleep:
            return wrote
        frame = self._kept.popleft() if self._kept else self._next_frame()
        if frame is None:
            return wrote
        self._take(frame)
        return True

    def answer(self) -> None:
        """The one proper answer; it repeats the delivery's id, so that it is known wherever it arrives."""
        self._send(data_frame(self.ident.encode(), b"done"))
        self._answered()

    def fail(self) -> None:
        """An error frame."""
        self._send(plain_frame(self.ident.encode(), ERROR))
        self._answered()

    def stream(self, ping: bool) -> None:
        """One part of a streamed answer. After one with PING it looks for the PONG, and so into its input."""
        self.doing = Doing.STREAMING
        self._send(data_frame(self.ident.encode(), b"part", 0, STREAM | (PING if ping else 0)))
        if ping:
            self._look_for_pong()

    def ask_to_be_stopped(self) -> None:
        """It will not execute this one."""
        self.refused = True
        self._send(data_frame(STOP_REQUEST, b""))
        self._answered()

    def send(self, junk: bytes) -> None:
        """Any bytes, in place of an answer or behind one."""
        self._send(junk)
        self.doing = Doing.ANSWERED

    def send_again(self) -> None:
        """A second answer."""
        self._send(data_frame(self.ident.encode(), b"done"))

    def read_on(self) -> None:
        """Ask for the next delivery."""
        self.doing = Doing.READING

    def crash(self, code: int, unsent: bytes = b"") -> None:
        """End, perhaps in the middle of a frame."""
        if unsent:
            self._send(unsent)
        self.process.end(code)

    def close(self) -> None:
        """All its ends are closed by the kernel."""
        if not self.gone:
            self.doing = Doing.GONE
            for fd in self._fds:
                os.close(fd)

    def _answered(self) -> None:
        self.executed += 1
        self.doing = Doing.ANSWERED

    def _take(self, frame: Frame) -> None:
        if frame.flags & CONTROL:
            if b"stop" in frame.payload:
                self.process.end(0)
            else:
                self._send(plain_frame(b'{"pid":%d}' % self.pid, CONTROL))
        elif not frame.stream & (STOP | PONG):
            self.ident = frame.split()[0].decode()
            self.doing = Doing.EXECUTING

    def _look_for_pong(self) -> None:
        while (frame := self._next_frame()) is not None:
            if frame.stream & (STOP | PONG):
                continue
            if not frame.flags & CONTROL:
                self.polled.add(frame.split()[0].decode())
            if not self._swallows:
                self._kept.append(frame)

    def _next_frame(self) -> Frame | None:
        """Whole frames only; as PHP does, not a byte more than the frame's is taken out of the pipe."""
        while True:
            missing = HEADER_BYTES if not self._unread else self._length() - len(self._unread)
            data = self._read(missing)
            self._unread += data
            if len(self._unread) >= HEADER_BYTES and len(self._unread) == self._length():
                (frame,) = self._parser.feed(self._unread)
                self._unread = b""
                return frame
            if not data:
                return None

    def _length(self) -> int:
        if len(self._unread) < HEADER_BYTES:
            return HEADER_BYTES
        words = self._unread[0] & 0x0F
        return words * 4 + int.from_bytes(self._unread[2:6], "little")

    def _read(self, length: int) -> bytes:
        try:
            return os.read(self._read_end, length)
        except BlockingIOError:
            return b""

    def _send(self, data: bytes) -> None:
        self._outbox += data
        self._flush()

    def _flush(self) -> bool:
        if not self._outbox or self.gone:
            return False
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            del self._outbox[: os.write(self._write_end, self._outbox)]
            return True
        return False


class FakeLauncher:
    """Starts programs instead of processes; the interface of the Launcher. The next `failures` starts fail."""

    command = ("fake", "worker")
    mode = "any"
    relay = "private"

    def __init__(self, swallows: bool) -> None:
        self.programs: list[Program] = []
        self.failures = 0
        self.ended_pids: list[int] = []
        self._swallows = swallows

    @property
    def living(self) -> list[Program]:
        return [program for program in self.programs if not program.gone]

    def start(self) -> Process:
        if self.failures:
            self.failures -= 1
            raise SpawnError("no more processes", command=self.command)
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        out_read, out_write = os.pipe()
        for fd in (to_read, to_write, from_read, from_write):
            os.set_blocking(fd, False)
        pid = FIRST_PID + len(self.programs)
        program = Program(pid, os.dup(to_read), from_write, out_write, self._swallows)
        program.process = FakeProcess(pid, Pipes(to_write, from_read, out_read, peek=to_read), program)
        self.programs.append(program)
        return program.process

    async def connect(self, process: Process) -> None:
        """Pipes are connected from the start."""

    def ended(self, process: Process) -> None:
        self.ended_pids.append(process.pid)

    def __repr__(self) -> str:
        return f"<launcher of {len(self.programs)}, ended: {self.ended_pids}>"
