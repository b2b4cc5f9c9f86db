"""How a pipeline connects to Kafka."""

import logging

from rrjobs.drivers.kafka.clients import Clients
from rrjobs.drivers.kafka.config import KafkaConfig, KafkaSection
from rrjobs.drivers.kafka.connection import KafkaConnection
from rrjobs.runtime.events import Events

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broken link is told once, as a state: see Link

NO_TOPICS = "NO TOPICS"
"""What RoadRunner shows for a pipeline that consumes nothing."""


class KafkaBroker:
    """See Broker."""

    name = "kafka"
    lasting_receipts = False

    def __init__(
        self, pipeline: str, config: KafkaConfig, section: KafkaSection, priority: int, events: Events
    ) -> None:
        consumer = config.consumer_options
        self.place = ",".join(section.brokers)
        self.queue = ",".join(consumer.topics or consumer.consume_partitions) if consumer else NO_TOPICS
        self._clients = Clients(pipeline, config, section, events)
        self._pipeline = pipeline
        self._priority = priority

    async def connect(self) -> KafkaConnection:
        """See Broker."""
        await self._clients.open()
        return KafkaConnection(self._clients, self._pipeline, self._priority)

    async def shut(self) -> None:
        """The pipeline has closed its last connection. Safe twice."""
        await self._clients.close()
