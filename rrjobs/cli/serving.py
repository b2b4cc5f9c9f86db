"""One life of the server in the event loop: start, take over, serve, reload, be taken over from, drain."""

import asyncio
import gc
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rrjobs.app.app import App
from rrjobs.cli.banner import banner, closing_line
from rrjobs.cli.options import Options
from rrjobs.cli.pid_file import PID_FILE, PidFile
from rrjobs.cli.streams import say
from rrjobs.config.load import Loaded
from rrjobs.errors import RRJobsError
from rrjobs.runtime.events import Events
from rrjobs.runtime.handover.predecessors import Predecessors
from rrjobs.runtime.listening import LISTENING
from rrjobs.runtime.log import Logs
from rrjobs.runtime.notify import notify, reloading
from rrjobs.runtime.signals import Signals
from rrjobs.runtime.tasks import Tasks

GC_THRESHOLDS = (50_000, 20, 100)
"""A waiting job is an object: Python's defaults would walk a million of them again and again."""

OVERTIME_S = 10.0
"""How much longer than its grace period a predecessor may take to end before that is told."""


class Serving:
    """`pid_file` is the one that this server holds, if it does."""

    def __init__(
        self,
        loaded: Loaded,
        options: Options,
        logs: Logs,
        pid_file: PidFile | None,
        predecessors: Predecessors | None,
    ) -> None:
        self.pid_file = pid_file
        self._loaded = loaded
        self._options = options
        self._logs = logs
        self._predecessors = predecessors
        self._events = Events()
        self._tasks = Tasks()
        self._app: App
        self._signals: Signals

    async def run(self) -> None:
        """Until it was told to stop and has drained; raises RRJobsError when it cannot start."""
        self._app = App(self._loaded, self._events, self._predecessors)
        self._signals = Signals(self._abort, self._ask_reset)
        self._signals.install()
        if await self._start():
            await self._serve()
            await self._end(self._loaded.root.endure.grace_period_s)
        self._tasks.cancel()
        self._signals.remove()

    async def _serve(self) -> None:
        try:
            if self._predecessors is not None and self._predecessors.taken is not None:
                self._take_over(self._predecessors)
            self._let_others_in()
        except BaseException:
            await self._app.drain(self._loaded.root.endure.grace_period_s)
            await self._app.stop(0.0)
            raise
        for address in LISTENING.left_over():
            self._events.emit("server.warning", text=f"the socket at {address} is of no section here: closed")
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        if not self._options.silent:
            states = await self._app.rooms.registry.stat() if self._app.rooms.registry else []
            say(banner(self._app.rooms, states))
        notify("READY=1", f"STATUS=serving, {sum(pool.size for _, pool in self._app.rooms.lanes)} workers")
        await self._signals.stopping.wait()

    async def _start(self) -> bool:
        """Whether it is up; False when it was told to stop meanwhile."""
        loop = asyncio.get_running_loop()
        starting = loop.create_task(self._app.start())
        stopping = loop.create_task(self._signals.stopping.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if starting.done():
            starting.result()
            return True
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
        return False

    # the server before this one

    def _take_over(self, predecessors: Predecessors) -> None:
        """Clients come here by now: the other one may go."""
        wanted = Path(PID_FILE) if self._options.pid else None
        for descriptor in predecessors.ready(wanted):
            self.pid_file = PidFile.inherit(Path(PID_FILE), descriptor)
        if self._options.pid and self.pid_file is None:
            self.pid_file = PidFile.take(Path(PID_FILE))
        self._tasks.start(self._see_off(predecessors))

    async def _see_off(self, predecessors: Predecessors) -> None:
        """Tell of one that does not come to its end."""
        try:
            async with asyncio.timeout(predecessors.grace_s + OVERTIME_S):
                await predecessors.wait()
        except TimeoutError:
            text = f"{predecessors.name} should have ended by now, and pushes to memory pipelines wait for that"
            self._events.emit("server.warning", text=f"{text}: `kill -9 {predecessors.pids}` ends it")

    # the server after this one

    def _let_others_in(self) -> None:
        self._app.door.about["pid_file"] = str(Path(PID_FILE).absolute()) if self.pid_file else ""
        self._app.door.give_up = self._give_up
        try:
            self._app.let_others_in()
        except OSError as err:
            text = f"`rrjobs run --takeover` will not find this server: {err.filename or 'state_dir'}: {err.strerror}"
            self._events.emit("server.warning", text=text)

    def _give_up(self, successor: int, pid_file: str) -> Sequence[int]:
        """Drain, for another process is ready; it gets the pid file if it wants that."""
        self._app.successor = successor
        self._signals.stopping.set()
        mine = self.pid_file
        if mine is None:
            return ()
        if pid_file == self._app.door.about["pid_file"]:
            return (mine.descriptor,)
        mine.give_up()
        return ()

    # the end

    async def _end(self, grace_s: float) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        reason = "stop signal received"
        if self._app.successor:
            reason = f"process {self._app.successor} has taken over"
            if self.pid_file is not None:
                self.pid_file.let_go()
        notify("STOPPING=1", f"STATUS={reason}, finishing within {grace_s:g} s")
        if not self._options.silent:
            say(f"{reason}, grace timeout is: {grace_s:g} seconds")
        drain = await self._app.drain(grace_s)
        await self._app.stop(max(0.0, min(grace_s - (loop.time() - began), 5.0)) if drain.in_time else 0.0)
        if not self._options.silent:
            say(closing_line(self._app.ended(drain)))

    def _ask_reset(self) -> None:
        self._tasks.start(self._reset())

    async def _reset(self) -> None:
        notify(*reloading(), "STATUS=replacing all workers")
        try:
            await self._app.reset()
        except RRJobsError as err:
            self._events.emit("server.warning", text=f"reset failed: {err}")
        notify("READY=1", "STATUS=serving")

    def _abort(self) -> None:
        self._app.rooms.fleet.kill_all()
        if self.pid_file is not None:
            self.pid_file.give_up()
        self._logs.close()
        say("exit forced", err=True)
        os._exit(1)
