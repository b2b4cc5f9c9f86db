"""All pools by the names clients know them by: `http`, `jobs`, `any`."""

import asyncio
from collections.abc import Iterable, Sequence

from rrjobs.worker.info import PoolInfo, WorkerInfo
from rrjobs.worker.pool import Pool
from rrjobs.worker.snapshot import pool_info, workers_of


class Fleet:
    """Pools in the order they were added; several pools may share one name (named pools of jobs)."""

    def __init__(self) -> None:
        self._pools: dict[str, list[Pool]] = {}
        self._served: dict[str, str] = {}

    def add(self, plugin: str, pool: Pool, serves: Iterable[str] = ()) -> None:
        """Before `start`. `serves`: further names under which the pool is found, but not listed a second time."""
        self._pools.setdefault(plugin, []).append(pool)
        for name in serves:
            self._served[name] = plugin

    def all(self) -> list[Pool]:
        """Every pool."""
        return [pool for pools in self._pools.values() for pool in pools]

    def of(self, plugin: str) -> list[Pool]:
        """The pools of one name; empty when there are none."""
        return self._pools.get(self._served.get(plugin, plugin), [])

    def has(self, name: str) -> bool:
        """Whether there is a pool of that name."""
        return bool(self.of(name))

    def names(self) -> Sequence[str]:
        """What `informer.List` and `resetter.List` tell."""
        return list(self._pools)

    def workers(self, name: str) -> Sequence[WorkerInfo]:
        """A snapshot; empty for an unknown name."""
        return [info for pool in self.of(name) for info in workers_of(pool)]

    def pools(self) -> Sequence[PoolInfo]:
        """A snapshot of each."""
        return [pool_info(pool) for pool in self.all()]

    async def start(self) -> None:
        """Start all pools; raises SpawnError, and then none is left."""
        try:
            for pool in self.all():
                await pool.start()
        except BaseException:
            await self.stop(0.0)
            raise

    async def stop(self, grace_s: float) -> None:
        """Stop all pools side by side; safe twice."""
        await asyncio.gather(*(pool.stop(grace_s) for pool in self.all()))

    async def add_worker(self, name: str) -> None:
        """One more in the first pool of that name."""
        await self.of(name)[0].add_worker()

    async def remove_worker(self, name: str) -> None:
        """One less in the first pool of that name."""
        await self.of(name)[0].remove_worker()

    async def reset(self, name: str) -> None:
        """Replace every worker of that name; nothing in flight fails."""
        await asyncio.gather(*(pool.reset() for pool in self.of(name)))

    def kill_all(self) -> None:
        """At once, for a server that is aborted."""
        for pool in self.all():
            for worker in pool.alive:
                worker.process.kill()
