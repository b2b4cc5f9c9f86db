"""Composition root: builds the rooms from the configuration, starts and stops them in order."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rrjobs import __version__
from rrjobs.config.load import Loaded
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.drivers.table import DriverTable
from rrjobs.pipeline.config import JobsConfig
from rrjobs.pipeline.dispatcher import Dispatcher
from rrjobs.pipeline.drain import Drain, Fates
from rrjobs.pipeline.driver import Sink
from rrjobs.pipeline.lane_plan import ANY, HTTP, JOBS, PlannedLane, job_lane, plan_lanes
from rrjobs.pipeline.registry import Registry
from rrjobs.runtime.account import account
from rrjobs.runtime.diversion import HANDSHAKE_S
from rrjobs.runtime.events import Events
from rrjobs.runtime.handover.door import FOLDER, Door
from rrjobs.runtime.handover.predecessors import Predecessors
from rrjobs.runtime.listening import LISTENING
from rrjobs.runtime.notify import SignsOfLife, keep_alive_s
from rrjobs.runtime.on_init import InitFailed, run_to_end
from rrjobs.services.liveness import Liveness
from rrjobs.services.stand_in import StandIn
from rrjobs.services.status_config import LIVENESS_S, STALL_S
from rrjobs.services.statuses import Statuses
from rrjobs.services.watchdog import Watchdog
from rrjobs.worker.config import ServerConfig
from rrjobs.worker.fleet import Fleet
from rrjobs.worker.guard import Guard
from rrjobs.worker.launcher import Launch, Launcher
from rrjobs.worker.pool import Pool
from rrjobs.worker.relay_listener import RelayListener

if TYPE_CHECKING:  # imported for real only when the configuration has their section
    from rrjobs.drivers.http.driver import HttpDriver
    from rrjobs.rpc.server import RpcServer
    from rrjobs.services.job_metrics import JobMetrics
    from rrjobs.services.metrics import Metrics
    from rrjobs.services.status import StatusServer

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
        root = loaded.root
        self.root = root
        self.events = events
        self.fleet = Fleet()
        self.registry: Registry | None = None
        self.successor = 0
        """The process that has taken over, if one has."""
        self.predecessors = predecessors
        self._farewells = 0
        self._tree: Mapping[str, object] = loaded.tree
        self._guard = Guard()
        self._server = root.server or ServerConfig()
        relay = self._server.relay or ""
        self._listener = RelayListener(relay) if relay.startswith(("tcp://", "unix://")) else None
        capacity = root.jobs.pipeline_size if root.jobs else JobsConfig().pipeline_size
        self.dispatcher = Dispatcher(capacity, events)
        self.lanes: list[tuple[PlannedLane, Pool]] = []
        self._launchers: list[Launcher] = []
        self._plan_pools()
        self._job_metrics: JobMetrics | None = None
        self.metrics = self._build_metrics()
        if root.jobs is not None:
            on_push = self._job_metrics.pushed if self._job_metrics else None
            drivers = DriverTable(self._surroundings(loaded, root.jobs), root.driver_sections())
            self.registry = Registry(self._job_sink, events, root.jobs, drivers, on_push, self.dispatcher.floor)
        stat = self.registry.stat if self.registry else None
        consumed = frozenset(root.jobs.consume) if root.jobs else frozenset()
        self._liveness = Liveness(self.fleet.all(), self.dispatcher, events, self._liveness_s)
        self.statuses = Statuses(self.fleet.names(), self.fleet.of, stat, consumed, self._liveness)
        self.http = self._build_http()
        self.rpc = self._build_rpc()
        self.status = self._build_status()
        self._watchdog = self._build_watchdog()
        self._signs_of_life = SignsOfLife(keep_alive_s(), self.statuses.is_healthy)
        about = {"pid": os.getpid(), "config": str(loaded.path.absolute()), "grace_s": root.endure.grace_period_s}
        self.door = Door(loaded.path.parent / root.state_dir / FOLDER, LISTENING, about)

    async def start(self) -> None:
        """on_init, pipelines, RPC (workers may call it as they boot), pools, then HTTP; raises RRJobsError.

        Where there are predecessors, workers are told of an RPC address of this server's own, and pipelines with files
        open when those are free.
        """
        try:
            await self._on_init()
            self._guard.start()
            if self._listener is not None:
                await self._listener.start(beside=self.predecessors is not None)
            for lane, pool in self.lanes:
                self.dispatcher.add_lane(lane.name, pool, lane.prefetch)
            if self.predecessors is not None:
                self.predecessors.watch()
            if self.registry is not None:
                await self.registry.start(self.predecessors)
            if self.rpc is not None:
                await self._start_rpc(self.rpc)
            await self.fleet.start()
            self._liveness.start()
            self._watchdog.start()
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
        for launcher in self._launchers:
            launcher.rpc_listen = dsn

    async def _listen(self) -> None:
        """Let clients come, once all addresses are had: a start that fails must not have met any."""
        for server in (self.http, self.rpc if self.predecessors is not None else None, self.status, self.metrics):
            if server is not None:
                server.bind()
        if self.http is not None:
            await self.http.start(self.dispatcher.sink(self._lane_of(HTTP)))
        if self.rpc is not None and self.predecessors is not None:
            await self.rpc.start()
        if self.status is not None:
            await self.status.start()
        if self.metrics is not None:
            await self.metrics.start()

    def let_others_in(self) -> None:
        """From now on another server may ask for this one's place; raises OSError."""
        self.door.open()

    async def drain(self, grace_s: float) -> Drain:
        """Fetch nothing new, finish what runs within `grace_s`, give the rest back.

        Where another server is there for new clients, those that are still connected here get one more answer from a
        worker, so that none of them notices.
        """
        deadline = asyncio.get_running_loop().time() + grace_s
        executed = self._executed
        self.statuses.stopping = self.door.draining = True
        if self.registry is not None:
            await self.registry.hold()
        if self.successor:
            await self._leave_to_successor()
        elif LISTENING.divert():
            await asyncio.sleep(min(HANDSHAKE_S, grace_s))
        if self.http is not None:
            self.http.stop_accepting()
            if self.successor or LISTENING.reuse_port:
                await self.http.last_answers(min(LAST_ANSWERS_S, grace_s))
            self.http.draining(RETRY_AFTER_S)
        self._farewells = self._executed - executed
        drain = await self.dispatcher.drain(deadline - asyncio.get_running_loop().time())
        if self.http is not None:
            left_s = deadline - asyncio.get_running_loop().time()
            await self.http.silence(FRESH_S, min(UPLOADS_S, left_s))
        return drain

    async def _leave_to_successor(self) -> None:
        """New clients are its clients."""
        if self.rpc is not None:
            self.rpc.stop_accepting()
        if self.status is not None:
            await self.status.stop()
        if self.metrics is not None:
            await self.metrics.stop()

    def ended(self, drain: Drain) -> "Ending":
        """The numbers of the whole drain, after `stop`."""
        sent_away = self.http.sent_away if self.http else 0
        return Ending(drain.fates(HTTP), drain.fates(JOBS), sent_away, self._farewells)

    @property
    def _executed(self) -> int:
        return sum(self.dispatcher.executed(lane.name) for lane, _ in self.lanes)

    async def stop(self, grace_s: float) -> None:
        """End everything: pools, then drivers (their last settles are done), then the services."""
        self._signs_of_life.stop()
        self._watchdog.stop()
        self._liveness.stop()
        await self.fleet.stop(grace_s)
        if self.http is not None:
            await self.http.close()
        if self.registry is not None:
            await self.registry.close()
        self.door.close()
        if self.predecessors is not None:
            self.predecessors.close()
        if self.rpc is not None:
            await self.rpc.stop()
        if self.status is not None:
            await self.status.stop()
        if self.metrics is not None:
            await self.metrics.stop()
        if self._listener is not None:
            await self._listener.stop()
        self._guard.stop()

    async def reset(self) -> None:
        """New workers in all pools, without a failed delivery."""
        await asyncio.gather(*(self.fleet.reset(name) for name in self.fleet.names()))

    async def _on_init(self) -> None:
        init = self._server.on_init
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

    @property
    def _liveness_s(self) -> float:
        return self.root.status.liveness_s if self.root.status else LIVENESS_S

    def _surroundings(self, loaded: Loaded, jobs: JobsConfig) -> Surroundings:
        return Surroundings(
            self.events,
            state_dir=loaded.path.parent / self.root.state_dir,
            timeout_s=jobs.timeout_s,
            startup_timeout_s=jobs.startup_timeout_s,
            liveness_s=self._liveness_s,
            predecessor_s=LAST_WRITES_S if self.predecessors is not None else 0.0,
        )

    def _plan_pools(self) -> None:
        root = self.root
        shared = root.any_mode.pool if root.any_mode else None
        for lane in plan_lanes(shared, root.http.pool if root.http else None, root.jobs):
            launch = Launch(lane.pool.command, lane.plugin, root.rpc.listen if root.rpc else "", __version__)
            launcher = Launcher(self._server, launch, self._guard, self._listener)
            self._launchers.append(launcher)
            pool = Pool(lane.name, lane.pool, launcher, self.events)
            self.fleet.add(lane.plugin, pool, self._served() if lane.plugin == ANY else ())
            self.lanes.append((lane, pool))

    def _served(self) -> list[str]:
        """Whose work the shared pool does: clients ask for its workers under these names."""
        return [name for name, section in ((HTTP, self.root.http), (JOBS, self.root.jobs)) if section is not None]

    def _lane_of(self, mode: str) -> str:
        return ANY if self.root.any_mode is not None else mode

    def _job_sink(self, pool: str | None) -> Sink:
        lane = self._lane_of(JOBS)
        sink = self.dispatcher.sink(lane if lane == ANY else job_lane(pool))
        return self._job_metrics.watched(sink) if self._job_metrics else sink

    def _build_metrics(self) -> "Metrics | None":
        """Before the HTTP driver, which asks once whether anybody listens to its requests."""
        if self.root.metrics is None:
            return None
        from rrjobs.services.http_metrics import HttpMetrics
        from rrjobs.services.job_metrics import JobMetrics
        from rrjobs.services.limit_metrics import limit_families
        from rrjobs.services.metrics import Metrics, Source
        from rrjobs.services.worker_metrics import lane_families, worker_families

        lanes = [lane.name for lane, _ in self.lanes]
        sources: list[Source] = [lambda: worker_families(self.fleet), lambda: lane_families(self.dispatcher, lanes)]
        if self.root.http is not None:
            requests = HttpMetrics(self.events)
            sources.append(lambda: requests.families(self.http) if self.http else ())
        if self.root.jobs is not None:
            self._job_metrics = JobMetrics()
            sources.append(self._job_metrics.families)
            sources.append(lambda: limit_families(self.dispatcher.floor.gates))
        return Metrics(self.root.metrics, sources)

    def _build_http(self) -> "HttpDriver | None":
        if self.root.http is None:
            return None
        from rrjobs.drivers.http.driver import HttpDriver

        pool = self.root.any_mode.pool if self.root.any_mode is not None else None
        owner = account(self._server.user, "server.user")
        ids = (owner.pw_uid, owner.pw_gid) if owner else None
        return HttpDriver(self.root.http, self.events, pool=pool, owner=ids)

    def _build_status(self) -> "StatusServer | None":
        if self.root.status is None:
            return None
        from rrjobs.services.status import StatusServer

        return StatusServer(self.root.status, self.statuses)

    def _build_watchdog(self) -> Watchdog:
        status = self.status
        stand_in = StandIn(lambda: status.sockets, status.blocked) if status is not None else None
        return Watchdog(self.events, self.root.status.stall_s if self.root.status else STALL_S, stand_in)

    def _build_rpc(self) -> "RpcServer | None":
        if self.root.rpc is None:
            return None
        from rrjobs.rpc.assembly import build_server

        collectors = self.metrics.collectors if self.metrics else None
        return build_server(
            self.root.rpc,
            self.events,
            self.registry,
            self.fleet,
            self.statuses,
            __version__,
            self._tree,
            collectors,
        )
