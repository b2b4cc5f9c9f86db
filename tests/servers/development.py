"""The brokers for development, all at once on fixed ports, each with a proxy that breaks its links on command."""

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers.beanstalkd import Beanstalkd
from servers.kafka import Kafka
from servers.link_proxy import LinkProxy
from servers.nats import Nats
from servers.process import Server, is_free
from servers.proxy_control import ProxyControl
from servers.rabbitmq import RabbitMQ
from servers.sqs import ElasticMQ

CONTROL_PORT = 8474
PROXY_OFFSET = 10_000


class PortsTaken(Exception):
    """Somebody listens where a server should; the text says on which and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a broker is, by its environment variable or else its usual port; its proxy is 10,000 above."""

    name: str
    variable: str
    usual_port: int
    uri: str
    make: Callable[[Path, "Place"], Server]

    @property
    def port(self) -> int:
        return int(os.environ.get(self.variable) or self.usual_port)

    @property
    def proxy_port(self) -> int:
        return self.port + PROXY_OFFSET


PLACES = (
    Place("rabbitmq", "AMQP_PORT", 5672, "amqp://guest:guest@127.0.0.1:{}/", lambda at, own: RabbitMQ(at, own.port)),
    Place(
        "kafka", "KAFKA_PORT", 9092, "127.0.0.1:{}", lambda at, own: Kafka(at, own.port, proxied_port=own.proxy_port)
    ),
    Place("sqs", "SQS_PORT", 9324, "http://127.0.0.1:{}", lambda at, own: ElasticMQ(at, own.port)),
    Place("nats", "NATS_PORT", 4222, "nats://127.0.0.1:{}", lambda at, own: Nats(at, own.port)),
    Place("beanstalk", "BEANSTALK_PORT", 11300, "tcp://127.0.0.1:{}", lambda at, own: Beanstalkd(at, own.port)),
)


def control_port() -> int:
    """Where the proxies take commands."""
    return int(os.environ.get("PROXY_CONTROL_PORT") or CONTROL_PORT)


def check_ports() -> None:
    """Raise PortsTaken when something has one already, be it only as its end of a connection."""
    wanted = [(place.name, place.port, place.variable) for place in PLACES]
    wanted += [(f"the proxy of {place.name}", place.proxy_port, place.variable) for place in PLACES]
    wanted.append(("the proxies' commands", control_port(), "PROXY_CONTROL_PORT"))
    taken = [one for one in wanted if not is_free(one[1])]
    if taken:
        raise PortsTaken(
            "\n".join(f"port {port} for {name} is taken: stop who has it, or set {by}" for name, port, by in taken)
        )


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """All of them, serving: what to print, by name. Their data is gone afterwards."""
    check_ports()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rrjobs-servers-")))
        servers = {place: place.make(directory / place.name, place) for place in PLACES}
        proxies = {place.name: stack.enter_context(_proxy(place, server)) for place, server in servers.items()}
        stack.enter_context(ProxyControl(control_port(), proxies))
        for server in servers.values():
            stack.callback(server.stop)
        with ThreadPoolExecutor(len(servers)) as threads:
            for started in [threads.submit(server.start) for server in servers.values()]:
                started.result()
        yield {
            place.name: f"{place.uri.format(place.port):42} {place.uri.format(place.proxy_port)}" for place in PLACES
        }


def _proxy(place: Place, server: Server) -> LinkProxy:
    target = server.proxied_target if isinstance(server, Kafka) else server.port
    return LinkProxy(target, place.proxy_port)
