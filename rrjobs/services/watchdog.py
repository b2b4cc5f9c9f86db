"""Notices from a thread of its own that the event loop does not turn, and says so where the loop cannot.

turning --no beat for `stall_s`--> blocked: the stacks of all threads go to the log --a beat--> turning
"""

import asyncio
import faulthandler
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from typing import Protocol

from rrjobs.runtime.events import Events

MAX_BEAT_S = 1.0
BEATS = 5
"""How often within `stall_s` the loop shows that it turns."""


class Substitute(Protocol):
    """Who answers in the loop's place."""

    def serve(self, reason: Callable[[], str]) -> None:
        """For as long as there is a reason; called in the thread."""
        ...


class Watchdog:
    """Lives from `start` to `stop`, both called on the loop; `stall_s` of 0 watches nothing."""

    def __init__(
        self,
        events: Events,
        stall_s: float,
        substitute: Substitute | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._events = events
        self._stall_s = stall_s
        self._substitute = substitute
        self._clock = clock
        self._beat_s = min(MAX_BEAT_S, stall_s / BEATS)
        self._beaten_at = 0.0
        self._blocked_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Watch the running loop, which is the one of this thread."""
        if not self._stall_s:
            return
        self._beat()
        loop_thread = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, args=(loop_thread,), name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Safe twice, and before `start`."""
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _beat(self) -> None:
        now = self._clock()
        since, self._blocked_since = self._blocked_since, 0.0
        self._beaten_at = now
        if since:
            self._events.emit("loop.turning", seconds=round(now - since, 1))
        self._timer = asyncio.get_running_loop().call_later(self._beat_s, self._beat)

    def _watch(self, loop_thread: int) -> None:
        """The thread."""
        last = self._clock()
        while not self._stopped.wait(self._beat_s):
            now = self._clock()
            slept_through, last = now - last > self._stall_s, now
            since = self._beaten_at
            if slept_through or now - since < self._stall_s:
                continue  # the first: the whole process, or the machine, stood still
            self._blocked(since, loop_thread)
            last = self._clock()

    def _blocked(self, since: float, loop_thread: int) -> None:
        """Until the loop turns again."""
        self._blocked_since = since
        reason = f"the event loop has not turned for {self._clock() - since:.1f} s"
        self._events.emit_at_once("loop.blocked", reason=reason, traceback=_stacks(loop_thread))

        def reason_now() -> str:
            if self._beaten_at != since or self._stopped.is_set():
                return ""
            return f"the event loop has not turned for {self._clock() - since:.0f} s, see the log"

        if self._substitute is not None:
            self._substitute.serve(reason_now)
        while reason_now():
            self._stopped.wait(self._beat_s)


def _stacks(loop_thread: int) -> str:
    """Of all threads, as faulthandler writes them; that of the loop once more, the latest call last."""
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file=file, all_threads=True)
        file.seek(0)
        text = file.read().decode("utf-8", "replace")
    frame = sys._current_frames().get(loop_thread)
    calls = "".join(traceback.format_stack(frame)) if frame is not None else ""
    return f"{text}\nThe event loop, latest call last:\n{calls}"
