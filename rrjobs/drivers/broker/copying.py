"""A copy or a letter takes the place of a message: confirmed before the original is let go of, and made once (P5)."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.pipeline.outcome import DONE, Action, Counter, Outcome

LATE_S = 0.5
"""How long a confirmation may still be on its way through our hands when its link is known to be lost."""


BURIED = Outcome(Action.DEAD, Counter.ERROR)
"""Of a message whose letter is safe: it is only to be let go of, in the way that its broker has for the dead."""


def is_to_be_acked(outcome: Outcome | None) -> bool:
    """Whether nothing else is left to do."""
    return outcome is not None and (outcome.action is Action.ACK or outcome is BURIED)


async def replace_by(delivery: BrokerDelivery, kept: Coroutine[Any, Any, None]) -> None:
    """Once `kept` has returned the message is done, and only to be acked. Raises what `kept` does.

    Should its ack get lost, its redelivery is acked, and leads to no second copy; so does one that comes meanwhile.
    Cancelled, it ends when `kept` has: a broker may confirm and be lost in one turn.
    """
    delivery.going_back = False  # also of one that was rejected: what comes from now on is no run of it
    making = asyncio.get_running_loop().create_task(kept)
    try:
        await asyncio.wait((making,))
    finally:
        if not making.done():
            await asyncio.wait((making,), timeout=LATE_S)
            making.cancel()
            await asyncio.wait((making,))
        if not making.cancelled() and making.exception() is None:
            outcome = delivery.outcome
            delivery.outcome = DONE if outcome is None or outcome.letter is None else BURIED
    making.result()
