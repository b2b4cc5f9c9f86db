"""A copy or a letter takes the place of a message: confirmed before the original is let go of, and made once (P5)."""

from collections.abc import Awaitable

from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.pipeline.outcome import DONE


async def replace_by(delivery: BrokerDelivery, kept: Awaitable[None]) -> None:
    """Once `kept` has returned the message is done, and only to be acked. Raises what `kept` does.

    Should its ack get lost, its redelivery is acked, and leads to no second copy; so does one that comes meanwhile.
    """
    delivery.going_back = False  # also of one that was rejected: what comes from now on is no run of it
    await kept
    delivery.outcome = DONE
