"""Delays as a few queues: which steps a delay is made of, and what the queue of a step is like.

A message in such a queue expires after the step and is dead-lettered to where it should go. One queue for each step
that is in use, never one for each message: what is jittered is rounded up, what is long goes in at most three steps.
"""

import math
from typing import Any, NamedTuple

SECOND_MS, MINUTE_MS, HOUR_MS = 1_000, 60_000, 3_600_000
MOST_MS = 2**32 - 1
"""The longest TTL and expiry that RabbitMQ takes: about 49 days."""

SPARE_MS = 10 * MINUTE_MS
"""A queue stays so much longer than twice its step after it was declared, so that none expires with a message in it."""

LONGEST_STEP_MS = (MOST_MS - SPARE_MS) // HOUR_MS * HOUR_MS
_EXACT_SECONDS_MS = 10 * MINUTE_MS
_EXACT_MINUTES_MS = 24 * HOUR_MS


class Step(NamedTuple):
    """Wait `wait_ms` in the queue of this step; `left_ms` are still to be waited then."""

    wait_ms: int
    left_ms: int


def first_step(delay_s: float) -> Step:
    """Of a delay above zero. Whole seconds are exact; fractions, which come from jitter, are rounded up.

    Up to ten minutes every second has a queue of its own, up to a day every minute, then every hour.
    """
    total = _rounded_ms(delay_s)
    if total <= _EXACT_SECONDS_MS:
        wait = total
    elif total <= _EXACT_MINUTES_MS:
        wait = total // MINUTE_MS * MINUTE_MS
    else:
        wait = min(total // HOUR_MS * HOUR_MS, LONGEST_STEP_MS)
    return Step(wait, total - wait)


def _rounded_ms(delay_s: float) -> int:
    if delay_s == int(delay_s):
        return int(delay_s) * SECOND_MS
    grain_s = next(grain for below_s, grain in _GRAINS if delay_s < below_s)
    return round(math.ceil(delay_s / grain_s - 1e-9) * grain_s * SECOND_MS)


_GRAINS = ((1.0, 0.1), (10.0, 0.5), (60.0, 5.0), (600.0, 30.0), (math.inf, 60.0))
"""Below so many seconds a fraction is rounded up to a multiple of the second number."""


class DelayQueue(NamedTuple):
    """The queue of one step to one target."""

    name: str
    step_ms: int
    exchange: str
    routing_key: str

    def arguments(self) -> dict[str, Any]:
        """What it is declared with."""
        return {
            "x-dead-letter-exchange": self.exchange,
            "x-dead-letter-routing-key": self.routing_key,
            "x-message-ttl": self.step_ms,
            "x-expires": min(2 * self.step_ms + SPARE_MS, MOST_MS),
        }


def delay_queue(step_ms: int, exchange: str, routing_key: str, target: str) -> DelayQueue:
    """RoadRunner's name with a suffix: one name cannot have two sets of arguments, and its `x-expires` of twice the

    step deletes what it holds when the broker stands still for a while. `target`: the queue, or the routing key.
    """
    return DelayQueue(f"delayed-{step_ms}.{exchange}.{target}.rrjobs", step_ms, exchange, routing_key)
