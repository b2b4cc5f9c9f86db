"""Whether each part of the server is healthy and ready, and why not."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from rrjobs.pipeline.state import PipelineState

OK = 200
UNAVAILABLE = 503


class WatchedPool(Protocol):
    """What is asked of a pool."""

    @property
    def ready(self) -> int: ...
    @property
    def working(self) -> int: ...
    @property
    def healthy(self) -> bool: ...


Pools = Callable[[str], Sequence[WatchedPool]]
Stat = Callable[[], Awaitable[Sequence[PipelineState]]]


class Statuses:
    """`names` are the plugins that have workers. A plugin that is not among them has no status."""

    def __init__(self, names: Sequence[str], pools: Pools, stat: Stat | None, consume: frozenset[str]) -> None:
        self.names = tuple(names)
        self.stopping = False
        self._pools = pools
        self._stat = stat
        self._consume = consume

    def health(self, plugin: str) -> int | None:
        """200 when a worker is ready or working."""
        if plugin not in self.names:
            return None
        return OK if all(pool.healthy for pool in self._pools(plugin)) else UNAVAILABLE

    def ready(self, plugin: str) -> int | None:
        """200 when there are workers and nothing keeps new ones from starting."""
        return self.health(plugin)

    async def pipelines(self) -> Sequence[PipelineState] | None:
        """The state of every pipeline; None where there are no jobs."""
        return await self._stat() if self._stat is not None else None

    async def idle_pipelines(self) -> list[str]:
        """Pipelines that should consume and do not."""
        states = await self.pipelines() or ()
        return [
            state.pipeline for state in states if not state.ready and (state.error or state.pipeline in self._consume)
        ]
