"""The times a worker is held to: how long it may execute, be silent without a fence, or stream to nobody."""

import asyncio
import time
from typing import NamedTuple, Protocol

from rrjobs.worker.load import FaultKind
from rrjobs.worker.process import Process
from rrjobs.worker.session import Session

LATE_FENCE_S = 1.0
"""After how much silence a load that was lent without a fence gets one."""


class Limits(NamedTuple):
    """Seconds it may take for one load (0: any time), and to end a stream to which nobody listens."""

    exec_ttl_s: float
    stream_timeout_s: float


class Killer(Protocol):
    """The worker."""

    def kill(self, kind: FaultKind, message: str) -> None:
        """End it; what it was executing fails with this."""
        ...


class Clocks:
    """One timer for each limit while there is something to watch; none belongs to a load.

    `paused`: the program waits for us, and the clock of exec_ttl stands still.
    """

    def __init__(self, worker: Killer, process: Process, session: Session, limits: Limits) -> None:
        self._exec_ttl_s, self._stream_timeout_s = limits
        self.paused = False
        self._worker = worker
        self._process = process
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._execution: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._stream: asyncio.TimerHandle | None = None

    def lent(self) -> None:
        """It has loads."""
        if self._exec_ttl_s and self._execution is None:
            self._execution = self._loop.call_later(self._exec_ttl_s, self._check_execution)
        if self._session.late_fences and self._silence is None:
            self._silence = self._loop.call_later(LATE_FENCE_S, self._check_silence)

    def abandoned(self) -> None:
        """Nobody listens to its stream: it must end it in time."""
        if self._stream is not None:
            self._stream.cancel()
        self._stream = self._loop.call_later(self._stream_timeout_s, self._check_stream)

    def stop(self) -> None:
        """Watch nothing any more; safe twice."""
        for timer in (self._execution, self._stream, self._silence):
            if timer is not None:
                timer.cancel()
        self._execution = self._stream = self._silence = None

    @property
    def _runs(self) -> bool:
        return self._process.returncode is None

    def _check_execution(self) -> None:
        self._execution = None
        if not (self._session.loads and self._runs):
            return
        left_s = self._session.started_at + self._exec_ttl_s - time.monotonic()
        if self.paused:
            left_s = self._exec_ttl_s
        if left_s > 0:
            self._execution = self._loop.call_later(left_s, self._check_execution)
            return
        self._worker.kill(FaultKind.TIMED_OUT, f"execution took longer than exec_ttl ({self._exec_ttl_s:g} s)")

    def _check_stream(self) -> None:
        self._stream = None
        if self._session.abandoned and self._runs:
            text = f"went on with a stream nobody listens to for {self._stream_timeout_s:g} s (stream_timeout)"
            self._worker.kill(FaultKind.TIMED_OUT, text)

    def _check_silence(self) -> None:
        """A head without a fence could be forgotten by the program, and nobody would know."""
        self._silence = None
        if self._session.loads and self._runs:
            if self._session.started_at + LATE_FENCE_S <= time.monotonic():
                self._session.fence_head()
            self._silence = self._loop.call_later(LATE_FENCE_S, self._check_silence)
