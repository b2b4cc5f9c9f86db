"""Whether each part of the server is healthy and ready, and why not.

Healthy is as in RoadRunner: a worker is ready or working. Ready is more and less than there: pipelines that should
consume do, and deliveries that wait move on; but a worker need not be idle, for a busy server is no broken one.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from rrjobs.pipeline.lane_plan import ANY, JOBS
from rrjobs.pipeline.state import PipelineState

OK = 200
UNAVAILABLE = 503


class Verdict(NamedTuple):
    """A status as an HTTP code, and for one that is bad the reason in plain words."""

    code: int
    reason: str = ""


class WatchedPool(Protocol):
    """What is asked of a pool."""

    name: str

    @property
    def trouble(self) -> str: ...
    @property
    def healthy(self) -> bool: ...


class Standstills(Protocol):
    """Who knows which pools do not move."""

    def standstill(self, pool: str) -> str:
        """The reason, or ""."""
        ...


Pools = Callable[[str], Sequence[WatchedPool]]
Stat = Callable[[], Awaitable[Sequence[PipelineState]]]


class Statuses:
    """`names` are the plugins that have workers. A plugin without pools has no status."""

    def __init__(
        self, names: Sequence[str], pools: Pools, stat: Stat | None, consume: frozenset[str], liveness: Standstills
    ) -> None:
        self.names = tuple(names)
        self.stopping = False
        self._pools = pools
        self._stat = stat
        self._consume = consume
        self._liveness = liveness

    def health(self, plugin: str) -> Verdict | None:
        """200 when each pool has a worker that is ready or working; None for an unknown plugin."""
        pools = self._pools(plugin)
        if not pools:
            return None
        ill = [_illness(pool) for pool in pools if not pool.healthy]
        return Verdict(UNAVAILABLE, "; ".join(ill)) if ill else Verdict(OK)

    def is_healthy(self) -> bool:
        """Whether all parts are."""
        return all(verdict.code == OK for verdict in map(self.health, self.names) if verdict is not None)

    async def ready(self, plugin: str) -> Verdict | None:
        """200 when it is healthy, what waits moves on, and each pipeline that should consume does."""
        health = self.health(plugin)
        if health is None or health.code != OK:
            return health
        reasons = [self._liveness.standstill(pool.name) for pool in self._pools(plugin)]
        if plugin in (JOBS, ANY):
            reasons.append(await self._idle_pipelines())
        reasons = [reason for reason in reasons if reason]
        return Verdict(UNAVAILABLE, "; ".join(reasons)) if reasons else Verdict(OK)

    async def pipelines(self) -> Sequence[PipelineState] | None:
        """The state of every pipeline; None where there are no jobs."""
        return await self._stat() if self._stat is not None else None

    async def _idle_pipelines(self) -> str:
        states = await self.pipelines() or ()
        idle = [
            f"{state.pipeline} ({state.error or 'paused'})"
            for state in states
            if not state.ready and (state.error or state.pipeline in self._consume)
        ]
        return f"pipelines that should consume and do not: {', '.join(idle)}" if idle else ""


def _illness(pool: WatchedPool) -> str:
    """What the workers printed when they did not start stays in the log: this page asks nobody for a password."""
    if pool.trouble:
        return f"pool {pool.name} cannot start workers, see the log"
    return f"pool {pool.name} has no worker"
