"""Puts a pipeline on SQS together."""

from collections.abc import Mapping
from typing import Any

from rrjobs.drivers.broker.connection import Connection
from rrjobs.drivers.broker.driver import BrokerDriver
from rrjobs.drivers.broker.leases import Leases
from rrjobs.drivers.declared import flag, given, integer, json_object, plain_refusals, positive
from rrjobs.drivers.sqs.api import Api, place_of
from rrjobs.drivers.sqs.config import MOST_AT_ONCE, SqsConfig, SqsSection
from rrjobs.drivers.sqs.connection import SqsConnection
from rrjobs.drivers.sqs.receipt import Receipt
from rrjobs.drivers.surroundings import Surroundings

PATIENCE = 0.8
"""Of the time limit of a push, for a service that throttles: then the push fails with that reason."""


class SqsBroker:
    """See Broker."""

    name = "sqs"
    lasting_receipts = True

    def __init__(self, pipeline: str, config: SqsConfig, section: SqsSection, surroundings: Surroundings) -> None:
        self.place = place_of(section)
        self.queue = config.queue
        self._section = section
        leases: Leases[Receipt] = Leases(config.visibility_timeout or 30)
        self._made = (pipeline, config, section, surroundings.priority, leases)
        self._patience_s = surroundings.timeout_s * PATIENCE
        self._pipeline = pipeline
        self._events = surroundings.events
        self._differs = ""

    async def connect(self) -> Connection:
        """See Broker."""
        connection = SqsConnection(*self._made, Api(self._section, self.place), self._patience_s)
        try:
            await connection.connect()
        except BaseException:
            await connection.close()
            raise
        self.queue = connection.queue.url
        self._compare(connection.queue.differs)
        return connection

    def _compare(self, differs: str) -> None:
        """Told once for each difference."""
        if differs and differs != self._differs:
            self._events.emit("broker.differs", pipeline=self._pipeline, queue=self.queue, differs=differs)
        self._differs = differs


class SqsDriver:
    """See DriverTable."""

    @staticmethod
    def made(pipeline: str, config: SqsConfig, surroundings: Surroundings) -> BrokerDriver:
        """A paused driver. Without a section `sqs` it finds everything in the AWS environment."""
        section = surroundings.section
        if not isinstance(section, SqsSection):
            section = SqsSection()
        return BrokerDriver(pipeline, SqsBroker(pipeline, config, section, surroundings), surroundings)

    @staticmethod
    def declared(spec: Mapping[str, str]) -> SqsConfig:
        """From the texts of a declaration, with the defaults that RoadRunner has there. Raises DriverError."""
        prefetch = positive(spec, "prefetch", 1)
        with plain_refusals():
            return SqsConfig(
                queue=spec.get("queue") or "default",
                prefetch=min(prefetch, MOST_AT_ONCE),
                max_messages_in_flight=positive(spec, "max_messages_in_flight", prefetch),
                visibility_timeout=integer(spec, "visibility_timeout", 0),
                error_visibility_timeout=integer(spec, "error_visibility_timeout", 0),
                retain_failed_jobs=flag(spec, "retain_failed_jobs"),
                wait_time_seconds=integer(spec, "wait_time", 0),
                message_group_id=spec.get("message_group_id", ""),
                skip_queue_declaration=flag(spec, "skip_queue_declaration"),
                attributes=_map(spec, "attributes"),
                tags=_map(spec, "tags"),
            )


def _map(spec: Mapping[str, str], key: str) -> dict[str, Any]:
    return json_object(key, spec[key]) if given(spec, key) else {}
