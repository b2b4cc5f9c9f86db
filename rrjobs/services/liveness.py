"""Which pools stand still: deliveries wait for them, and none was finished for too long (DESIGN.md, P10).

moving --deliveries wait, none finished for the pool's limit--> still --one finished, or none waits--> moving

A pool that moves may have a worker that does not: deliveries written behind a long execution wait for it alone, and one
that its program never reads waits for ever. A long execution with nothing behind it is work, not a standstill.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rrjobs.runtime.events import Events
from rrjobs.worker.running import Running

MAX_LOOK_S = 5.0
LOOKS = 10
"""How often within `liveness_s` the counts are read: what happened between two looks is not seen."""


class WatchedPool(Protocol):
    """What is asked of a pool. Its deliveries are counted under its name."""

    name: str

    @property
    def ready(self) -> int: ...
    @property
    def working(self) -> int: ...
    @property
    def booting(self) -> int: ...
    @property
    def exec_ttl_s(self) -> float: ...

    def running(self) -> Sequence[Running]:
        """What its workers are at, the longest first."""
        ...


class Progress(Protocol):
    """Where the counts come from: the dispatcher."""

    def behind(self, lane: str) -> int:
        """Deliveries that wait."""
        ...

    def executed(self, lane: str) -> int:
        """Deliveries finished since the start."""
        ...


@dataclass(slots=True)
class _Seen:
    executed: int
    waiting: int
    moved_at: float
    told: bool = False


class Liveness:
    """Looks at the counts now and then, from `start` to `stop`; `liveness_s` of 0 looks at nothing."""

    def __init__(
        self,
        pools: Sequence[WatchedPool],
        progress: Progress,
        events: Events,
        liveness_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pools = {pool.name: pool for pool in pools}
        self._progress = progress
        self._events = events
        self._liveness_s = liveness_s
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Once the lanes are there."""
        if self._liveness_s:
            self._look_again()

    def stop(self) -> None:
        """Safe twice, and before `start`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def standstill(self, pool: str) -> str:
        """Why a pool stands still, in plain words; "" while it moves or has nothing to do."""
        seen = self._seen.get(pool)
        if seen is None:
            return ""
        self._look(pool, seen)
        still_s = self._clock() - seen.moved_at
        if still_s < self._limit_s(self._pools[pool]):
            return self._stuck_worker(self._pools[pool])
        why = _at(self._pools[pool])
        return f"{seen.waiting} waiting for pool {pool}, and none was finished for {still_s:.0f} s: {why}"

    def _stuck_worker(self, pool: WatchedPool) -> str:
        """Why deliveries that one worker has do not move while others may; `exec_ttl` of 0 excuses nobody."""
        limit_s = max(self._liveness_s, pool.exec_ttl_s)
        for one in pool.running():
            if one.for_s < limit_s:
                break
            if one.unread:
                return f"worker {one.pid} of pool {pool.name} has not read {one.ident} for {one.for_s:.0f} s"
            if one.behind:
                at = f"worker {one.pid} of pool {pool.name} has been at {one.ident} for {one.for_s:.0f} s"
                return f"{at}, and deliveries written behind it wait: {one.behind}"
        return ""

    def _limit_s(self, pool: WatchedPool) -> float:
        """Busy workers may take as long as `exec_ttl` lets them; free ones, or none at all, have no excuse."""
        busy = pool.working and not pool.ready
        return max(self._liveness_s, pool.exec_ttl_s) if busy else self._liveness_s

    def _look(self, pool: str, seen: _Seen) -> None:
        executed, waiting = self._progress.executed(pool), self._progress.behind(pool)
        if executed != seen.executed or waiting < seen.waiting or not waiting:
            seen.moved_at = self._clock()
        seen.executed, seen.waiting = executed, waiting

    def _look_again(self) -> None:
        for pool in self._pools:
            seen = self._seen.setdefault(pool, _Seen(0, 0, self._clock()))
            reason = self.standstill(pool)
            if reason and not seen.told:
                self._events.emit("pool.stalled", pool=pool, reason=reason)
            elif seen.told and not reason:
                self._events.emit("pool.moving", pool=pool)
            seen.told = bool(reason)
        look_s = min(MAX_LOOK_S, self._liveness_s / LOOKS)
        self._timer = asyncio.get_running_loop().call_later(look_s, self._look_again)


def _at(pool: WatchedPool) -> str:
    """What its workers are at, where deliveries wait and none is finished."""
    if pool.ready:
        return "although a worker is free"
    if pool.working:
        return "all its workers are busy"
    if pool.booting:
        return f"none of its workers is ready, {pool.booting} starting"
    return "it has no worker"
