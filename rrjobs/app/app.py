"""The life of one server: its rooms are started, drained and stopped in order."""

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rrjobs.app.rooms import Rooms
from rrjobs.config.load import Loaded
from rrjobs.pipeline.drain import Drain, Fates
from rrjobs.pipeline.lane_plan import HTTP, JOBS
from rrjobs.runtime.diversion import HANDSHAKE_S
from rrjobs.runtime.events import Events
from rrjobs.runtime.handover.door import FOLDER, Door
from rrjobs.runtime.handover.predecessors import Predecessors
from rrjobs.runtime.listening import LISTENING
from rrjobs.runtime.notify import SignsOfLife, keep_alive_s
from rrjobs.runtime.on_init import InitFailed, run_to_end

if TYPE_CHECKING:  # imported for real only when the configuration has their section
    from rrjobs.rpc.server import RpcServer

RETRY_AFTER_S = 5
"""What clients are told while the server drains: another instance is probably there by then."""

LAST_ANSWERS_S = 1.0
"""How long connections that idle may still ask once more when another server has taken over."""

LAST_WRITES_S = 5.0
"""How long the files of a predecessor that has ended may stay locked: the kernel takes a moment after a kill -9."""

FRESH_S = 0.2
"""How long a client that just connected, or was just answered, has to send a request to a server that stops."""

UPLOADS_S = 5.0
"""How long requests that are still being received keep a server from stopping that has nothing else to do."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of the work that was there when the server was told to stop; `sent_away`: requests that met 503."""

    http: Fates
    jobs: Fates
    sent_away: int
    farewells: int
    """Deliveries that were finished before the drain proper, while clients got their last answers."""


class App:
    """One server. `start` raises and leaves nothing behind; `drain` and `stop` end it."""

    def __init__(self, loaded: Loaded, events: Events, predecessors: Predecessors | None = None) -> None:
        """`predecessors`: servers that have this one's place, or files, until it has started."""
        self.events = events
        self.successor = 0
        """The process that has taken over, if one has."""
        self.predecessors = predecessors
        self.rooms = Rooms(loaded, events, LAST_WRITES_S if predecessors is not None else 0.0)
        self._farewells = 0
        self._signs_of_life = SignsOfLife(keep_alive_s(), self.rooms.statuses.is_healthy)
        root = loaded.root
        about = {"pid": os.getpid(), "config": str(loaded.path.absolute()), "grace_s": root.endure.grace_period_s}
        self.door = Door(loaded.path.parent / root.state_dir / FOLDER, LISTENING, about)

    async def start(self) -> None:
        """on_init, pipelines, RPC (workers may call it as they boot), pools, then HTTP; raises RRJobsError.

        Where there are predecessors, workers are told of an RPC address of this server's own, and pipelines with files
        open when those are free.
        """
        rooms = self.rooms
        try:
            await self._on_init()
            rooms.guard.start()
            if rooms.listener is not None:
                await rooms.listener.start(beside=self.predecessors is not None)
            for lane, pool in rooms.lanes:
                rooms.dispatcher.add_lane(lane.name, pool, lane.prefetch)
            if self.predecessors is not None:
                self.predecessors.watch()
            if rooms.registry is not None:
                await rooms.registry.start(self.predecessors)
            if rooms.rpc is not None:
                await self._start_rpc(rooms.rpc)
            await rooms.fleet.start()
            rooms.liveness.start()
            rooms.watchdog.start()
            await self._listen()
            self._signs_of_life.start()
        except BaseException:
            await self.stop(0.0)
            raise

    async def _start_rpc(self, rpc: "RpcServer") -> None:
        if self.predecessors is None:
            await rpc.start()
            return
        dsn = await rpc.start_apart()
        for launcher in self.rooms.launchers:
            launcher.rpc_listen = dsn

    async def _listen(self) -> None:
        """Let clients come, once all addresses are had: a start that fails must not have met any."""
        rooms = self.rooms
        for server in (
            rooms.http,
            rooms.rpc if self.predecessors is not None else None,
            rooms.status,
            rooms.metrics,
        ):
            if server is not None:
                server.bind()
        if rooms.http is not None:
            await rooms.http.start(rooms.requests())
        if rooms.rpc is not None and self.predecessors is not None:
            await rooms.rpc.start()
        if rooms.status is not None:
            await rooms.status.start()
        if rooms.metrics is not None:
            await rooms.metrics.start()

    def let_others_in(self) -> None:
        """From now on another server may ask for this one's place; raises OSError."""
        self.door.open()

    async def drain(self, grace_s: float) -> Drain:
        """Fetch nothing new, finish what runs within `grace_s`, give the rest back.

        Where another server is there for new clients, those that are still connected here get one more answer from a
        worker, so that none of them notices.
        """
        rooms = self.rooms
        deadline = asyncio.get_running_loop().time() + grace_s
        executed = self._executed
        rooms.statuses.stopping = self.door.draining = True
        if rooms.registry is not None:
            await rooms.registry.hold()
        if self.successor:
            await self._leave_to_successor()
        elif LISTENING.divert():
            await asyncio.sleep(min(HANDSHAKE_S, grace_s))
        if rooms.http is not None:
            rooms.http.stop_accepting()
            if self.successor or LISTENING.reuse_port:
                await rooms.http.last_answers(min(LAST_ANSWERS_S, grace_s))
            rooms.http.draining(RETRY_AFTER_S)
        self._farewells = self._executed - executed
        drain = await rooms.dispatcher.drain(deadline - asyncio.get_running_loop().time())
        if rooms.http is not None:
            left_s = deadline - asyncio.get_running_loop().time()
            await rooms.http.silence(FRESH_S, min(UPLOADS_S, left_s))
        return drain

    async def _leave_to_successor(self) -> None:
        """New clients are its clients."""
        rooms = self.rooms
        if rooms.rpc is not None:
            rooms.rpc.stop_accepting()
        if rooms.status is not None:
            await rooms.status.stop()
        if rooms.metrics is not None:
            await rooms.metrics.stop()

    def ended(self, drain: Drain) -> "Ending":
        """The numbers of the whole drain, after `stop`."""
        rooms = self.rooms
        sent_away = rooms.http.sent_away if rooms.http else 0
        return Ending(drain.fates(HTTP), drain.fates(JOBS), sent_away, self._farewells)

    @property
    def _executed(self) -> int:
        rooms = self.rooms
        return sum(rooms.dispatcher.executed(lane.name) for lane, _ in rooms.lanes)

    async def stop(self, grace_s: float) -> None:
        """End everything: pools, then drivers (their last settles are done), then the services."""
        rooms = self.rooms
        self._signs_of_life.stop()
        rooms.watchdog.stop()
        rooms.liveness.stop()
        await rooms.fleet.stop(grace_s)
        if rooms.http is not None:
            await rooms.http.close()
        if rooms.registry is not None:
            await rooms.registry.close()
        self.door.close()
        if self.predecessors is not None:
            self.predecessors.close()
        if rooms.rpc is not None:
            await rooms.rpc.stop()
        if rooms.status is not None:
            await rooms.status.stop()
        if rooms.metrics is not None:
            await rooms.metrics.stop()
        if rooms.listener is not None:
            await rooms.listener.stop()
        rooms.guard.stop()

    async def reset(self) -> None:
        """New workers in all pools, without a failed delivery."""
        rooms = self.rooms
        await asyncio.gather(*(rooms.fleet.reset(name) for name in rooms.fleet.names()))

    async def _on_init(self) -> None:
        init = self.rooms.server.on_init
        if init is None:
            return
        try:
            printed = await run_to_end(init.command, init.exec_timeout_s, init.env, init.user)
        except InitFailed as err:
            if init.exit_on_error:
                raise
            self.events.emit("server.warning", text=str(err))
            return
        for line in printed.splitlines():
            self.events.emit("worker.output", text=line)
