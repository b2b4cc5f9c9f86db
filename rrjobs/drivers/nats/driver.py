"""Puts a pipeline on JetStream together."""

from collections.abc import Mapping

from rrjobs.drivers.broker.connection import Connection
from rrjobs.drivers.broker.driver import BrokerDriver
from rrjobs.drivers.broker.leases import Leases
from rrjobs.drivers.declared import flag, plain_refusals, positive
from rrjobs.drivers.nats.client import place_of
from rrjobs.drivers.nats.config import NatsConfig, NatsSection
from rrjobs.drivers.nats.connection import NatsConnection
from rrjobs.drivers.nats.receipt import Receipt
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import DriverError

DECLARED_PREFETCH = 100
"""What a declaration without one has in RoadRunner."""


class NatsBroker:
    """See Broker."""

    name = "nats"
    lasting_receipts = True

    def __init__(self, pipeline: str, config: NatsConfig, section: NatsSection, priority: int) -> None:
        self.place = place_of(section)
        self.queue = config.subject
        leases: Leases[Receipt] = Leases(config.ack_wait_s)
        self._made = (pipeline, config, section, priority, leases)

    async def connect(self) -> Connection:
        """See Broker."""
        connection = NatsConnection(*self._made)
        try:
            return await connection.connect()
        except BaseException:
            await connection.close()
            raise


class NatsDriver(BrokerDriver):
    """A BrokerDriver whose stream can end with it, if nothing is left in it."""

    def __init__(self, pipeline: str, broker: NatsBroker, surroundings: Surroundings, *, deletes: bool) -> None:
        super().__init__(pipeline, broker, surroundings)
        self._deletes = deletes

    async def _last_act(self, connection: Connection) -> None:
        if not self._deletes or not isinstance(connection, NatsConnection):
            return
        try:
            left = await connection.delete_stream()
        except DriverError as err:
            self._tell(str(err))
            return
        if left:
            self._tell(f"the stream was not deleted: {left} jobs are left in it")

    def _tell(self, text: str) -> None:
        self._surroundings.events.emit("pipeline.failed", pipeline=self._pipeline, error=text)

    @classmethod
    def made(cls, pipeline: str, config: NatsConfig, surroundings: Surroundings) -> "NatsDriver":
        """A paused driver."""
        section = surroundings.section
        if not isinstance(section, NatsSection):
            raise DriverError("there is no section `nats` that says where NATS is")
        broker = NatsBroker(pipeline, config, section, surroundings.priority)
        return cls(pipeline, broker, surroundings, deletes=config.delete_stream_on_stop)

    @staticmethod
    def declared(spec: Mapping[str, str]) -> NatsConfig:
        """From the texts of a declaration, with the defaults that RoadRunner has there. Raises DriverError."""
        with plain_refusals():
            return NatsConfig(
                subject=spec.get("subject") or "default",
                stream=spec.get("stream") or "default-stream",
                prefetch=positive(spec, "prefetch", DECLARED_PREFETCH),
                ack_wait_s=positive(spec, "ack_wait", 30),
                deliver_new=flag(spec, "deliver_new"),
                delete_after_ack=flag(spec, "delete_after_ack"),
                delete_stream_on_stop=flag(spec, "delete_stream_on_stop"),
            )
