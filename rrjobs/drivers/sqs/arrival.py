"""A received message as a delivery."""

from typing import Any, NamedTuple

from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.drivers.sqs.delays import redelivered
from rrjobs.drivers.sqs.item import SENT, decode_job, milliseconds
from rrjobs.drivers.sqs.receipt import Receipt
from rrjobs.pipeline.delivery import Settler
from rrjobs.pipeline.job import Job


class Names(NamedTuple):
    """Where deliveries belong."""

    pipeline: str
    queue: str


def delivery_of(
    message: dict[str, Any], receipt: Receipt, connection: object, settler: Settler, names: Names, priority: int
) -> tuple[BrokerDelivery, str]:
    """The delivery, and why it is no job; empty when it is one."""
    try:
        job, reason = decode_job(message, names.pipeline, priority), ""
    except ValueError as err:
        body = str(message.get("Body") or "").encode()
        job, reason = Job(receipt.message_id, "undecodable", body, names.pipeline, priority), str(err)
        job.pushed_at = milliseconds(message, SENT)
    delivery = BrokerDelivery(
        job,
        settler,
        receipt,
        connection,
        receipt.message_id,
        queue=names.queue,
        redelivered=redelivered(message),
        exact=True,
    )
    return delivery, reason
