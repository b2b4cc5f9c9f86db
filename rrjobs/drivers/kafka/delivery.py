"""A job that came from a record."""

from typing import NamedTuple

import orjson

from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.drivers.kafka.window import Window
from rrjobs.pipeline.delivery import Settler
from rrjobs.pipeline.job import Job
from rrjobs.protocol.frame import CODEC_RAW, data_frame


class Receipt(NamedTuple):
    """The place of a record, as its delivery's tag."""

    window: Window
    offset: int
    key: bytes | None = None


class KafkaDelivery(BrokerDelivery):
    """Its identity is topic, partition and offset, of which PHP is told (spec/jobs-and-rpc.md 3.2).

    And the record's time: in a topic that was made anew another record may have the same offset.
    """

    __slots__ = ()

    def __init__(self, job: Job, settler: Settler, receipt: Receipt, connection: object, written_ms: int) -> None:
        window, offset = receipt.window, receipt.offset
        identity = f"{window.topic}/{window.partition}/{offset}@{written_ms}"
        super().__init__(job, settler, receipt, connection, identity, queue=window.topic)

    @property
    def receipt(self) -> Receipt:
        """Its tag."""
        assert isinstance(self.tag, Receipt)
        return self.tag

    def encode(self) -> bytes:
        """See BrokerDelivery."""
        job, receipt = self.job, self.receipt
        if job.auto_ack and not self.acked and self.beginner is not None:
            self.beginner.begun(self)
        context = {
            "id": job.id,
            "job": job.name,
            "driver": self.settler.name,
            "headers": dict(job.headers),
            "pipeline": job.pipeline,
            "queue": self.queue,
            "topic": self.queue,
            "partition": receipt.window.partition,
            "offset": receipt.offset,
        }
        return data_frame(orjson.dumps(context), job.payload, CODEC_RAW)
