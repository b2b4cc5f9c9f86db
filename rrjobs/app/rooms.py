"""What one server consists of, built from its configuration in the order in which the rooms need each other."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rrjobs import __version__
from rrjobs.config.load import Loaded
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.drivers.table import DriverTable
from rrjobs.pipeline.config import JobsConfig
from rrjobs.pipeline.dispatcher import Dispatcher
from rrjobs.pipeline.driver import Sink
from rrjobs.pipeline.lane_plan import ANY, HTTP, JOBS, PlannedLane, job_lane, plan_lanes
from rrjobs.pipeline.registry import Registry
from rrjobs.runtime.account import account
from rrjobs.runtime.events import Events
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


class Rooms:
    """Nothing of it runs yet. What the configuration has no section for is None, and is not imported."""

    def __init__(self, loaded: Loaded, events: Events, predecessor_s: float) -> None:
        """`predecessor_s`: how long files may stay locked by a server that was here before."""
        root = loaded.root
        self.root = root
        self.events = events
        self.server = root.server or ServerConfig()
        self.fleet = Fleet()
        self.guard = Guard()
        relay = self.server.relay or ""
        self.listener = RelayListener(relay) if relay.startswith(("tcp://", "unix://")) else None
        capacity = root.jobs.pipeline_size if root.jobs else JobsConfig().pipeline_size
        self.dispatcher = Dispatcher(capacity, events)
        self.launchers: list[Launcher] = []
        self.lanes = self._plan_pools()
        self._job_metrics: JobMetrics | None = None
        self.metrics = self._build_metrics()
        self.registry = self._build_registry(loaded, predecessor_s)
        stat = self.registry.stat if self.registry else None
        consumed = frozenset(root.jobs.consume) if root.jobs else frozenset()
        self.liveness = Liveness(self.fleet.all(), self.dispatcher, events, self._liveness_s)
        self.statuses = Statuses(self.fleet.names(), self.fleet.of, stat, consumed, self.liveness)
        self.http = self._build_http()
        self.rpc = self._build_rpc(loaded.tree)
        self.status = self._build_status()
        self.watchdog = self._build_watchdog()

    def requests(self) -> Sink:
        """Where the HTTP driver puts its requests."""
        return self.dispatcher.sink(self._lane_of(HTTP))

    @property
    def _liveness_s(self) -> float:
        return self.root.status.liveness_s if self.root.status else LIVENESS_S

    def _build_registry(self, loaded: Loaded, predecessor_s: float) -> Registry | None:
        jobs = self.root.jobs
        if jobs is None:
            return None
        on_push = self._job_metrics.pushed if self._job_metrics else None
        surroundings = Surroundings(
            self.events,
            state_dir=loaded.path.parent / self.root.state_dir,
            timeout_s=jobs.timeout_s,
            startup_timeout_s=jobs.startup_timeout_s,
            liveness_s=self._liveness_s,
            predecessor_s=predecessor_s,
        )
        drivers = DriverTable(surroundings, self.root.driver_sections())
        return Registry(self._job_sink, self.events, jobs, drivers, on_push, self.dispatcher.floor)

    def _plan_pools(self) -> list[tuple[PlannedLane, Pool]]:
        root = self.root
        lanes: list[tuple[PlannedLane, Pool]] = []
        shared = root.any_mode.pool if root.any_mode else None
        for lane in plan_lanes(shared, root.http.pool if root.http else None, root.jobs):
            launch = Launch(lane.pool.command, lane.plugin, root.rpc.listen if root.rpc else "", __version__)
            launcher = Launcher(self.server, launch, self.guard, self.listener)
            self.launchers.append(launcher)
            pool = Pool(lane.name, lane.pool, launcher, self.events)
            self.fleet.add(lane.plugin, pool, self._served() if lane.plugin == ANY else ())
            lanes.append((lane, pool))
        return lanes

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
        owner = account(self.server.user, "server.user")
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

    def _build_rpc(self, tree: Mapping[str, object]) -> "RpcServer | None":
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
            tree,
            collectors,
        )
