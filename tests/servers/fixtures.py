"""Fixtures: one server of each kind for the whole run, started when first asked for; and servers of a test's own.

A server whose program is missing skips the test here, and fails it where CI is set.
"""

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from servers.beanstalkd import Beanstalkd
from servers.certificates import Certificates, make_certificates
from servers.kafka import Kafka
from servers.link_proxy import LinkProxy
from servers.nats import Nats
from servers.process import Server, ServerMissing
from servers.rabbitmq import RabbitMQ
from servers.sqs import ElasticMQ, Ministack

S = TypeVar("S", bound=Server)
StartBroker = Callable[..., Any]
UniqueName = Callable[..., str]
LinkProxyTo = Callable[..., LinkProxy]
SharedServer = Callable[..., Any]


def started(server: S) -> S:
    """Start a server for a test."""
    try:
        return server.start()
    except ServerMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, a server's certificate for localhost and 127.0.0.1, a client's."""
    try:
        return make_certificates(tmp_path_factory.mktemp("certificates"))
    except ServerMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServer]:
    """`shared_server(RabbitMQ, **options)`: the one of this kind and these options, serving; stopped after the run."""
    servers: dict[str, Server] = {}

    def get(kind: type[S], **options: Any) -> S:
        key = f"{kind.__name__} {sorted(options.items())}"
        if key not in servers:
            server = kind(tmp_path_factory.mktemp(kind.name), **options)
            server.lasting = True
            servers[key] = started(server)
        found = servers[key].revive()
        assert isinstance(found, kind)
        return found

    yield get
    with contextlib.ExitStack() as stack:
        for server in servers.values():
            stack.callback(server.stop)


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[StartBroker]:
    """`start_broker(RabbitMQ, **options)`: a server of the test's own, to be harmed at will; stopped at its end."""
    servers: list[Server] = []

    def start(kind: type[S], **options: Any) -> S:
        server = kind(tmp_path / f"{kind.name}-{len(servers)}", **options)
        servers.append(server)
        return started(server)

    yield start
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)


@pytest.fixture
def rabbitmq(shared_server: SharedServer, certificates: Certificates) -> RabbitMQ:
    """The run's RabbitMQ, with TLS too; serving, also after a test before has killed or frozen it."""
    return shared_server(RabbitMQ, certificates=certificates)


@pytest.fixture
def kafka(shared_server: SharedServer, certificates: Certificates) -> Kafka:
    """The run's Kafka, with TLS and SASL too."""
    return shared_server(Kafka, sasl=True, certificates=certificates)


@pytest.fixture
def ministack(shared_server: SharedServer) -> Ministack:
    """The run's fast SQS server."""
    return shared_server(Ministack)


@pytest.fixture
def elasticmq(shared_server: SharedServer) -> ElasticMQ:
    """The run's other SQS server."""
    return shared_server(ElasticMQ)


@pytest.fixture
def nats(shared_server: SharedServer) -> Nats:
    """The run's NATS with JetStream, a current version."""
    return shared_server(Nats)


@pytest.fixture
def old_nats(shared_server: SharedServer) -> Nats:
    """The run's NATS of version 2.9."""
    return shared_server(Nats, old=True)


@pytest.fixture
def beanstalkd(shared_server: SharedServer) -> Beanstalkd:
    """The run's beanstalkd, durable."""
    return shared_server(Beanstalkd)


@pytest.fixture
def link_proxy() -> Iterator[LinkProxyTo]:
    """`link_proxy(target, port=0)`: a proxy in front of a port, in a thread of its own; closed at the test's end.

    For Kafka: `link_proxy(kafka.proxied_target, kafka.proxied_port)`.
    """
    with contextlib.ExitStack() as stack:
        yield lambda target, port=0: stack.enter_context(LinkProxy(target, port))


@pytest.fixture
def unique_name() -> UniqueName:
    """`unique_name("mail")`: a name that no other test has, for a queue, topic, stream, subject, tube or vhost."""
    return lambda prefix="test": f"{prefix}-{uuid.uuid4().hex[:10]}"


@pytest.fixture(scope="module")
def vhost(shared_server: SharedServer, certificates: Certificates) -> Iterator[str]:
    """A RabbitMQ vhost of this module's own, with everything in it gone afterwards."""
    name = f"vhost-{uuid.uuid4().hex[:10]}"
    shared_server(RabbitMQ, certificates=certificates).add_vhost(name)
    yield name
    shared_server(RabbitMQ, certificates=certificates).delete_vhost(name)
