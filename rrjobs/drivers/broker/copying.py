"""A copy takes the place of a message: confirmed before the original is let go of, and made once (P5)."""

from rrjobs.drivers.broker.connection import Connection
from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import DONE


async def replace_by_copy(connection: Connection, delivery: BrokerDelivery, copy: Job) -> None:
    """Raises what `keep_copy` and `ack` do.

    Once the copy is there the original is done with: should its ack get lost, its redelivery is acked, and leads to no
    second copy.
    """
    await connection.keep_copy(delivery, copy)
    delivery.outcome = DONE
    delivery.going_back = False  # also of one that was rejected: what comes from now on is a message that is done
    await connection.ack((delivery,))
