"""Puts a pipeline on beanstalkd together."""

from collections.abc import Mapping

from rrjobs.drivers.beanstalk.config import BeanstalkConfig, BeanstalkSection
from rrjobs.drivers.beanstalk.connection import BeanstalkConnection
from rrjobs.drivers.broker.connection import Connection
from rrjobs.drivers.broker.driver import BrokerDriver
from rrjobs.drivers.declared import integer, plain_refusals, positive
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import DriverError


class BeanstalkBroker:
    """See Broker."""

    name = "beanstalk"
    lasting_receipts = False

    def __init__(self, pipeline: str, config: BeanstalkConfig, section: BeanstalkSection, priority: int) -> None:
        self.place = section.addr.removeprefix("tcp://")
        self.queue = config.tube
        self._made = (pipeline, config, section, priority)

    async def connect(self) -> Connection:
        """See Broker."""
        connection = BeanstalkConnection(*self._made)
        try:
            return await connection.connect()
        except BaseException:
            await connection.close()
            raise


class BeanstalkDriver:
    """See DriverTable."""

    @staticmethod
    def made(pipeline: str, config: BeanstalkConfig, surroundings: Surroundings) -> BrokerDriver:
        """A paused driver."""
        section = surroundings.section
        if not isinstance(section, BeanstalkSection):
            raise DriverError("there is no section `beanstalk` that says where beanstalkd is")
        return BrokerDriver(pipeline, BeanstalkBroker(pipeline, config, section, surroundings.priority), surroundings)

    @staticmethod
    def declared(spec: Mapping[str, str]) -> BeanstalkConfig:
        """From the texts of a declaration, with the defaults that RoadRunner has there. Raises DriverError."""
        with plain_refusals():
            return BeanstalkConfig(
                tube=spec.get("tube") or "default",
                tube_priority=integer(spec, "tube_priority", 1),
                reserve_timeout_s=positive(spec, "reserve_timeout", 5),
                prefetch=positive(spec, "prefetch", BeanstalkConfig().prefetch),
            )
