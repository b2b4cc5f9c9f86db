"""Carries out what `autoscale.decide` says for one pool: looks when somebody waits, and when a decision asks to.

still --somebody waits, nobody is free--> growing --all started, or the most there may be--> still
still --idle for long--> one step down --> still
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from rrjobs.runtime.events import Events
from rrjobs.worker.autoscale import Decision, Limits, Sight, decide
from rrjobs.worker.spawn_rate import SpawnRate
from rrjobs.worker.worker import Worker

LEAST_LOOK_S = 0.001
TELL_S = 1.0
"""Growth goes on in small steps: it is told once in so long, and at its end."""


class Backlog(NamedTuple):
    """What waits for a pool, since when the oldest does, by the monotonic clock, and how many have left since then.

    `kept`: the free workers are kept free for others, so that for these none is.
    """

    waiting: int
    since: float
    gone: int
    kept: bool = False


class Scaled(Protocol):
    """The pool."""

    name: str
    idle: deque[Worker]

    @property
    def target(self) -> int:
        """Workers it keeps, booting ones included."""
        ...

    @property
    def booting(self) -> int: ...

    @property
    def resetting(self) -> bool: ...

    def backlog(self) -> Backlog: ...

    def grow(self, number: int) -> None:
        """Start so many; `Scaler.started` or `Scaler.failed` is called for each."""
        ...

    def shrink(self, number: int) -> None:
        """Stop those that were free longest."""
        ...


@dataclass(frozen=True, slots=True)
class Range:
    """How far a pool may go and why it last moved; `changed_at` is a unix time, 0 when it never did."""

    min: int
    max: int
    reason: str
    changed_at: float


class Scaler:
    """Made with the loop running; `stop` is final."""

    def __init__(
        self, pool: Scaled, limits: Limits, events: Events, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._events = events
        self._clock = clock
        now = clock()
        self._rate = SpawnRate(limits.spawn_rate, now)
        self._grown_at = self._shrunk_at = now
        self._nothing_before = 0.0
        self._nothing_below = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._reason = ""
        self._changed_at = 0.0
        self._from = 0
        self._from_at = 0.0

    @property
    def range(self) -> Range:
        """For listings."""
        return Range(self._limits.min, self._limits.max, self._reason, self._changed_at)

    def stop(self) -> None:
        """No more decisions; safe twice."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def demand(self, waiting: int) -> None:
        """Somebody waits and nobody is free. Called often under load: what is known to lead nowhere ends here."""
        if self._pool.target >= self._limits.max:
            return
        if waiting >= self._nothing_below or self._clock() >= self._nothing_before:
            self.look()

    def started(self) -> None:
        """A worker that `grow` asked for is there."""
        self._rate.worked()
        self.look()

    def failed(self) -> float:
        """It could not be started; returns for how many seconds no other one is."""
        again_in_s = self._rate.failed(self._clock())
        self._reason = f"cannot grow: a worker did not start, again in {again_in_s:.0f} s"
        self._changed_at = time.time()
        self.look()
        return again_in_s

    def moved_by_hand(self, by: int) -> None:
        """A worker was added or removed by a person: the range moves along, so that it stays so."""
        low = max(1, self._limits.min + by)
        self._limits = replace(self._limits, min=low, max=max(low, self._limits.max + by))

    def look(self) -> None:
        """Decide, act, and arrange for the next look."""
        if self._stopped:
            return
        now = self._clock()
        sight = self._sight(now)
        decision = decide(sight, self._limits)
        if decision.start:
            self._grow(decision, now)
        elif decision.stop and not self._pool.resetting:
            self._shrink(decision, now)
        self._tell(now)
        look_in_s = decision.look_in_s
        self._nothing_before = 0.0
        if look_in_s is not None and not decision.start and not decision.stop:
            self._nothing_before, self._nothing_below = now + look_in_s, 2 * max(1, sight.waiting)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if look_in_s is not None:
            self._timer = asyncio.get_running_loop().call_later(max(look_in_s, LEAST_LOOK_S), self.look)

    def _sight(self, now: float) -> Sight:
        pool = self._pool
        waiting, since, gone, kept = pool.backlog()
        return Sight(
            now=now,
            waiting=waiting,
            waiting_since=since,
            gone=gone,
            workers=pool.target,
            booting=pool.booting,
            idle_since=[] if kept else [max(worker.created_at, worker.last_used_at) for worker in pool.idle],
            may_start=self._rate.left(now),
            next_start_s=self._rate.next_in_s(now),
            grown_at=self._grown_at,
            shrunk_at=self._shrunk_at,
        )

    def _grow(self, decision: Decision, now: float) -> None:
        if not self._from:
            self._from, self._from_at = self._pool.target, now
            self._reason, self._changed_at = decision.reason, time.time()
        self._rate.spend(decision.start, now)
        self._grown_at = now
        self._pool.grow(decision.start)

    def _shrink(self, decision: Decision, now: float) -> None:
        before = self._pool.target
        self._shrunk_at = now
        self._reason, self._changed_at = decision.reason, time.time()
        self._pool.shrink(decision.stop)
        self._emit(before)

    def _tell(self, now: float) -> None:
        """Of growth that has ended, or gone on for a while."""
        ended = not self._pool.booting or self._pool.target >= self._limits.max
        if self._from and (ended or now - self._from_at > TELL_S):
            before, self._from = self._from, 0
            self._emit(before)

    def _emit(self, before: int) -> None:
        wanted = self._pool.target
        if wanted != before:
            self._events.emit("pool.scaled", pool=self._pool.name, workers=wanted, before=before, reason=self._reason)
