"""How a pipeline connects to RabbitMQ."""

import asyncio
import ssl
from uuid import uuid4

from rrjobs.drivers.amqp.address import Address, parse_address
from rrjobs.drivers.amqp.client import Client
from rrjobs.drivers.amqp.connection import AmqpConnection, Facts
from rrjobs.drivers.amqp.plan import Plan
from rrjobs.drivers.amqp.section import AmqpSection, AmqpTls
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import BrokerRefused

PART_OF_TIMEOUT = 0.9
"""A wait for the broker ends before the operation is cut off, so that it can be said what was waited for."""


class AmqpBroker:
    """A Broker. It remembers which queues of delays are in use, over all connections."""

    name = "amqp"
    lasting_receipts = False

    def __init__(self, pipeline: str, section: AmqpSection, plan: Plan, surroundings: Surroundings) -> None:
        self._address: Address = parse_address(section.addr)
        self._tls = section.tls
        self._plan = plan
        self._context: ssl.SSLContext | None = None
        self._pipeline = pipeline
        self._facts = Facts(
            pipeline,
            surroundings.priority,
            plan.consumer or f"roadrunner-{uuid4()}",
            surroundings.timeout_s * PART_OF_TIMEOUT,
        )
        self._delays: dict[str, float] = {}

    @property
    def place(self) -> str:
        """See Broker."""
        return self._address.place

    @property
    def queue(self) -> str:
        """See Broker."""
        return self._plan.queue

    async def connect(self) -> AmqpConnection:
        """See Broker."""
        context = await self._tls_context()
        feed = await Client.connect(self._address, context, f"rrjobs {self._pipeline}")
        press = feed
        try:
            if self._plan.queue:
                press = await Client.connect(self._address, context, f"rrjobs {self._pipeline} publisher")
            connection = AmqpConnection(feed, press, self._address, self._plan, self._facts, self._delays)
            await connection.open()
        except BaseException:
            await feed.close()
            if press is not feed:
                await press.close()
            raise
        return connection

    async def _tls_context(self) -> ssl.SSLContext | None:
        if self._address.tls and self._context is None:
            self._context = await asyncio.to_thread(tls_context, self._tls or AmqpTls())
        return self._context


def tls_context(tls: AmqpTls) -> ssl.SSLContext:
    """TLS 1.2 and later; the broker's certificate is always checked. Raises BrokerRefused with the file at fault."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if tls.root_ca:
            context = ssl.create_default_context(cafile=tls.root_ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
    except (OSError, ssl.SSLError) as err:
        raise BrokerRefused(f"amqp.tls.root_ca: cannot read {tls.root_ca}: {_why(err)}") from err
    try:
        if tls.cert:
            context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as err:
        raise BrokerRefused(f"amqp.tls: cannot use {tls.cert} with {tls.key}: {_why(err)}") from err
    return context


def _why(err: OSError) -> str:
    if isinstance(err, FileNotFoundError):
        return "there is no such file"
    return str(getattr(err, "reason", "") or err.strerror or err)
