"""The limits of all pipelines and pools: told, and changed while they run. A restart goes back to the configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rrjobs.errors import PipelineNotFound
from rrjobs.pipeline.driver import Aging, Sink
from rrjobs.pipeline.limits.config import changed_limits
from rrjobs.pipeline.limits.entrance import Entrance, Standing
from rrjobs.pipeline.limits.floor import Floor
from rrjobs.pipeline.limits.limits import Limits, LimitsError
from rrjobs.pipeline.limits.share import Share
from rrjobs.runtime.events import Events


@dataclass(frozen=True, slots=True)
class PipelineLimits:
    """One pipeline."""

    pipeline: str
    pool: str
    limits: Limits
    standing: Standing


@dataclass(frozen=True, slots=True)
class PoolReserve:
    """One pool: `workers` of `size` are kept free for deliveries of `priority` and lower numbers."""

    pool: str
    size: int
    workers: int
    priority: int


class Control:
    """Owns the entrances, from before a pipeline's driver is opened until after it is closed."""

    def __init__(self, floor: Floor, events: Events) -> None:
        self._floor = floor
        self._events = events
        self._entrances: dict[str, Entrance] = {}

    def enter(
        self, pipeline: str, pool: str | None, sink: Sink, limits: Limits, aging: Aging | None = None
    ) -> Entrance:
        """The way of a new pipeline into this sink. Raises LimitsError."""
        entrance = Entrance(pipeline, pool, sink, self._floor, aging=aging)
        others = entrance.limit(limits)
        self._entrances[pipeline] = entrance
        if others:
            self._renew()
        return entrance

    def leave(self, pipeline: str) -> None:
        """Its driver is closed; safe twice."""
        entrance = self._entrances.pop(pipeline, None)
        if entrance is not None and entrance.close():
            self._renew()

    def pipelines(self, names: Sequence[str]) -> list[PipelineLimits]:
        """Of these pipelines, or of all; raises PipelineNotFound."""
        return [self._told(name) for name in names or self._entrances]

    def pools(self) -> list[PoolReserve]:
        """Of all that serve jobs."""
        return [_reserve(share) for share in self._floor.shares.values()]

    def change(self, pipeline: str, changes: Mapping[str, object]) -> PipelineLimits:
        """Other values for some keys, null for none. Raises PipelineNotFound, LimitsError, and changes nothing."""
        entrance = self._entrance(pipeline)
        if entrance.limit(changed_limits(entrance.limits, changes)):
            self._renew()
        self._events.emit("pipeline.limited", pipeline=pipeline, limits=str(entrance.limits))
        return self._told(pipeline)

    def change_pool(self, pool: str, workers: int, priority: int) -> PoolReserve:
        """Keep other workers free for urgent deliveries. Raises LimitsError, and changes nothing."""
        shares = self._floor.shares
        share = shares.get(pool) or self._floor.share_of(pool)
        if share is None:
            raise LimitsError(f"there is no pool {pool!r} of jobs: there are {', '.join(shares) or 'none'}")
        self._floor.reserve_urgent(share, workers, priority)
        self._renew()
        self._events.emit("pool.reserved", pool=share.name, workers=workers, priority=priority)
        return _reserve(share)

    def _entrance(self, pipeline: str) -> Entrance:
        entrance = self._entrances.get(pipeline)
        if entrance is None:
            raise PipelineNotFound(pipeline)
        return entrance

    def _told(self, pipeline: str) -> PipelineLimits:
        entrance = self._entrance(pipeline)
        return PipelineLimits(pipeline, entrance.pool or "", entrance.limits, entrance.standing())

    def _renew(self) -> None:
        entrances = self._entrances.values()
        for entrance in entrances:
            entrance.stop()
        for entrance in entrances:
            entrance.change()
        for entrance in entrances:
            entrance.go()
        self._floor.wake()


def _reserve(share: Share) -> PoolReserve:
    return PoolReserve(share.name, share.workers, share.urgent_workers, share.urgent_priority)
