"""How many workers a pool should start or stop now: a pure function of what is seen at one moment.

Growth answers an event: somebody waits, nobody is free, and the oldest has waited longer than it should, or the last
will at the pace that is seen. Shrinking is slow on purpose: only what was idle for `idle_s` goes, a quarter of it at a
time, and never soon after growth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

STEPS = 10
"""Two steps down are `idle_s` / STEPS apart: thirty workers too many are gone within twice `idle_s`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration allows. `spawn_rate`: starts per second; `at_once`: starts side by side."""

    min: int
    max: int
    target_wait_s: float
    spawn_rate: int
    idle_s: float
    at_once: int


@dataclass(frozen=True, slots=True)
class Sight:
    """One moment of a pool; times by the monotonic clock.

    `gone` of those that waited have left since `waiting_since`. `workers` counts those that boot and not those that
    retire; `idle_since` has the free ones, free longest first.
    `may_start` is what the spawn rate allows now; one more is allowed in `next_start_s`.
    """

    now: float
    waiting: int
    waiting_since: float
    gone: int
    workers: int
    booting: int
    idle_since: Sequence[float]
    may_start: int
    next_start_s: float
    grown_at: float
    shrunk_at: float


@dataclass(frozen=True, slots=True)
class Decision:
    """`look_in_s`: when to look again though nothing happened; None while only an event can change anything."""

    start: int = 0
    stop: int = 0
    reason: str = ""
    look_in_s: float | None = None


def decide(sight: Sight, limits: Limits) -> Decision:
    """Start or stop, never both."""
    if sight.waiting and not sight.idle_since and sight.workers < limits.max:
        return _grow(sight, limits)
    return _shrink(sight, limits)


def _grow(sight: Sight, limits: Limits) -> Decision:
    waited_s = sight.now - sight.waiting_since
    rounds = max(1.0, sight.waiting / max(sight.gone, sight.workers - sight.booting, 1))
    if waited_s * rounds < limits.target_wait_s:
        return Decision(look_in_s=limits.target_wait_s / rounds - waited_s)
    unserved = sight.waiting - sight.booting
    wanted = min(unserved, limits.max - sight.workers, limits.at_once - sight.booting)
    if wanted <= 0:
        return Decision()  # the end of a start is an event
    if not sight.may_start:
        return Decision(look_in_s=sight.next_start_s)
    if waited_s < limits.target_wait_s:
        how_long = f"the last of them for {waited_s * rounds * 1000:.0f} ms or more at this pace"
    else:
        how_long = f"the oldest for {waited_s * 1000:.0f} ms"
    target = f"(target {limits.target_wait_s * 1000:.0f} ms)"
    reason = f"{sight.waiting} waiting, {how_long} {target}, and no worker was free"
    return Decision(start=min(wanted, sight.may_start), reason=reason, look_in_s=sight.next_start_s)


def _shrink(sight: Sight, limits: Limits) -> Decision:
    surplus = sight.workers - limits.min
    if surplus <= 0:
        return Decision()
    if sight.waiting or not sight.idle_since:
        return Decision(look_in_s=limits.idle_s)
    quiet_since = max(sight.idle_since[0], sight.grown_at, sight.shrunk_at - limits.idle_s * (1 - 1 / STEPS))
    left_s = quiet_since + limits.idle_s - sight.now
    if left_s > 0:
        return Decision(look_in_s=left_s)
    cold = max(1, sum(since + limits.idle_s <= sight.now for since in sight.idle_since))
    reason = f"{cold} idle for {limits.idle_s:g} s or longer"
    return Decision(stop=min(surplus, math.ceil(cold / 4)), reason=reason, look_in_s=limits.idle_s / STEPS)
