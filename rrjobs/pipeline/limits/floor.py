"""All lanes together, as limits see them: what each pool keeps free, who may have to wait, what workers have."""

from collections import Counter
from typing import Protocol

from rrjobs.pipeline.delivery import JobDelivery
from rrjobs.pipeline.lane_plan import ANY, JOBS, job_lane
from rrjobs.pipeline.limits.gate import Gate
from rrjobs.pipeline.limits.limits import LimitsError
from rrjobs.pipeline.limits.share import Share
from rrjobs.worker.pool import Pool


class Lane(Protocol):
    """What is asked of a lane."""

    @property
    def name(self) -> str: ...

    @property
    def pool(self) -> Pool: ...

    def let_age(self, agings: dict[str, float]) -> None: ...


class Floor:
    """Owned by the dispatcher. `gates` are those of pipelines that have one."""

    def __init__(self) -> None:
        self.gates: dict[str, Gate] = {}
        self.shares: dict[str, Share] = {}
        self._lanes: dict[str, Lane] = {}
        self._agings: dict[str, float] = {}

    def add(self, lane: Lane) -> None:
        """One more, if jobs go there."""
        if lane.name == ANY or lane.name.partition("/")[0] == JOBS:
            self._lanes[lane.name] = lane
            kept = lane.pool.config.reserve
            self.shares[lane.name] = share = Share(lane.name, lane.pool)
            if kept is not None:
                share.reserve_urgent(kept.workers, kept.priority)

    def share_of(self, pool: str | None) -> Share | None:
        """Of a pool of jobs by its name, or of the only one."""
        return self.shares.get(ANY) or self.shares.get(job_lane(pool))

    def restricts(self, pipeline: str) -> bool:
        """Whether jobs of this pipeline may have to leave workers free for others."""
        return any(share.restricts(pipeline) for share in self.shares.values())

    def reserve(self, pipeline: str, pool: str | None, workers: int) -> bool:
        """Keep so many free for a pipeline; whether that changed anything. Raises LimitsError."""
        share = self.share_of(pool)
        if share is None:
            if workers:
                raise LimitsError("reserve needs a pool: say which of jobs.pools serves the pipeline")
            return False
        if workers == share.reserved_for(pipeline):
            return False
        if workers > share.reserved_for(pipeline):
            self._check(share, workers + share.reserved(without=pipeline))
        share.reserve(pipeline, workers)
        return True

    def reserve_urgent(self, share: Share, workers: int, priority: int) -> None:
        """Keep so many free in a pool for urgent deliveries. Raises LimitsError."""
        if workers > share.urgent_workers:
            self._check(share, workers + share.reserved() - share.urgent_workers)
        share.reserve_urgent(workers, priority)

    def age(self, pipeline: str, aging_s: float) -> None:
        """What waiting counts for; lanes take the queue that can do it once it counts for anybody."""
        if self._agings.get(pipeline, 0.0) == aging_s:
            return
        if aging_s:
            self._agings[pipeline] = aging_s
        else:
            del self._agings[pipeline]
        for lane in self._lanes.values():
            lane.let_age(self._agings)

    def lent(self, pipeline: str) -> list[JobDelivery]:
        """What workers have of it."""
        workers = (worker for lane in self._lanes.values() for worker in lane.pool.alive)
        loads = (load for worker in workers for load, _ in worker.session.loads)
        return [load for load in loads if isinstance(load, JobDelivery) and load.pipeline == pipeline]

    def drop_all(self, reason: str) -> Counter[str]:
        """Give back whatever gates hold; how many there were of each mode."""
        return sum((gate.drop_all(reason) for gate in self.gates.values()), Counter())

    def wake(self) -> None:
        """Reservations have changed."""
        for share in self.shares.values():
            share.wake()

    def _check(self, share: Share, reserved: int) -> None:
        workers = share.least_workers
        if reserved and reserved >= workers and not share.free_of_limits:
            raise LimitsError(
                f"reserve keeps {reserved} workers of pool {share.name} free, which has {workers}: one at least "
                "must be left for everybody"
            )
