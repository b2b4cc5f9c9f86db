"""Which lanes there are and which pool serves each, from the configured pools."""

from collections.abc import Mapping
from dataclasses import dataclass

from rrjobs.pipeline.config import JobsConfig
from rrjobs.worker.config import PoolConfig, default_prefetch

ANY = "any"
HTTP = "http"
JOBS = "jobs"


@dataclass(frozen=True, slots=True)
class PlannedLane:
    """`plugin` is the workers' RR_MODE and the name by which clients know the pool; `prefetch` is by mode."""

    name: str
    plugin: str
    pool: PoolConfig
    prefetch: Mapping[str, int | str]


def plan_lanes(shared: PoolConfig | None, http: PoolConfig | None, jobs: JobsConfig | None) -> list[PlannedLane]:
    """One lane for everything if there is a shared pool, else `http`, and `jobs` or `jobs/NAME` for each named pool."""
    if shared is not None:
        return [PlannedLane(ANY, ANY, shared, _prefetch(shared, HTTP, JOBS))]
    lanes = []
    if http is not None:
        lanes.append(PlannedLane(HTTP, HTTP, http, _prefetch(http, HTTP)))
    if jobs is not None:
        for name, pool in (jobs.pools or {"": jobs.pool}).items():
            lanes.append(PlannedLane(job_lane(name), JOBS, pool, _prefetch(pool, JOBS)))
    return lanes


def _prefetch(pool: PoolConfig, *modes: str) -> dict[str, int | str]:
    return {mode: pool.prefetch or default_prefetch(mode) for mode in modes}


def job_lane(pool: str | None) -> str:
    """The lane of a named pool of jobs, or of the only one."""
    return f"{JOBS}/{pool}" if pool else JOBS
