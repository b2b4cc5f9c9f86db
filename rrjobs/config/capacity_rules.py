"""What must hold between the limits of pipelines and the pools that serve them."""

from rrjobs.config.nodes import Node, Path
from rrjobs.config.problems import Findings
from rrjobs.config.root import Root
from rrjobs.worker.config import PoolConfig

Reserving = tuple[Path, int]
"""Where it is written, and how many workers it keeps free."""


def check_reserves(root: Root, tree: Node, findings: Findings) -> None:
    """Of every pool somebody without a reservation gets a worker; requests alone are never held back."""
    if root.http is not None and root.http.pool.reserve is not None and root.any_mode is None:
        text = "does not belong here: requests are never held back; jobs are, in any.pool, jobs.pool and jobs.pools"
        findings.error_at(tree, ("http", "pool", "reserve"), text)
    for path, pool in _pools(root).items():
        _fits(path, pool, _of_pipelines(root, path, tree, findings), tree, findings)


def _pools(root: Root) -> dict[Path, PoolConfig]:
    if root.any_mode is not None:
        return {("any", "pool"): root.any_mode.pool}
    if root.jobs is None:
        return {}
    named: dict[Path, PoolConfig] = {("jobs", "pools", name): pool for name, pool in root.jobs.pools.items()}
    return named or {("jobs", "pool"): root.jobs.pool}


def _of_pipelines(root: Root, path: Path, tree: Node, findings: Findings) -> list[Reserving]:
    found: list[Reserving] = []
    for name, pipeline in root.jobs.pipelines.items() if root.jobs else ():
        place: Path = ("jobs", "pipelines", name, "reserve")
        if not pipeline.reserve:
            continue
        if path[:2] != ("jobs", "pools") or path[2] == pipeline.pool:
            found.append((place, pipeline.reserve))
        elif pipeline.pool is None:
            findings.error_at(tree, place, "needs a pool: say with `pool` which of `jobs.pools` serves the pipeline")
    return found


def _fits(path: Path, pool: PoolConfig, kept: list[Reserving], tree: Node, findings: Findings) -> None:
    if pool.reserve is not None and pool.reserve.workers:
        kept = [((*path, "reserve", "workers"), pool.reserve.workers), *kept]
    total = sum(workers for _, workers in kept)
    if not total or total < pool.fewest_workers or pool.debug:
        return
    name = ".".join(map(str, path))
    together = "" if len(kept) == 1 else f" ({' + '.join(str(workers) for _, workers in kept)} together)"
    least = "" if pool.limits is None else " at least"
    text = f"{name} has {pool.fewest_workers} workers{least}, and {total}{together} of them cannot be kept free: "
    findings.error_at(tree, kept[-1][0], text + "one must be left for everybody")
