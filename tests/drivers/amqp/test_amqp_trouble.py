"""What can be wrong with a broker, an address, a user, a certificate; each in one plain line."""

import asyncio

import pytest
from aiormq.connection import FrameReceiver
from house import answer, eventually
from servers.rabbitmq import RabbitMQ

from rrjobs.drivers.amqp.address import parse_address
from rrjobs.drivers.amqp.client import Client
from rrjobs.drivers.amqp.config import AmqpConfig
from rrjobs.drivers.amqp.driver import AmqpDriver
from rrjobs.drivers.amqp.section import AmqpSection
from rrjobs.errors import BrokerUnreachable, ConfigError, DriverError, PushRefused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "wrong"}, "refuses user 'guest': wrong password, unknown user, or not allowed from this host"),
        ({"user": "nobody"}, "refuses user 'nobody'"),
        ({"vhost": "nowhere"}, "there is no vhost 'nowhere' on 127.0.0.1:"),
    ],
)
async def test_a_wrong_login_is_told_at_once_and_without_the_password(pipeline, rabbitmq, change, words):
    with pytest.raises(ConfigError) as caught:
        async with pipeline(addr=rabbitmq.uri(**change)):
            pass
    assert words in str(caught.value) and "wrong@" not in str(caught.value)


async def test_a_user_without_permissions_is_told_what_it_may_not(pipeline, rabbitmq, names, unique_name):
    user = unique_name("user")
    await asyncio.to_thread(rabbitmq.add_user, user, "secret-word")
    try:
        with pytest.raises(ConfigError, match=f"user '{user}' may not use vhost '/'"):
            async with pipeline(addr=rabbitmq.uri(user=user, password="secret-word")):
                pass
        await asyncio.to_thread(rabbitmq.set_permissions, user, configure="^$")
        with pytest.raises(ConfigError) as caught:
            async with pipeline(addr=rabbitmq.uri(user=user, password="secret-word")):
                pass
        assert f"user '{user}' may not declare exchange '{names('e')}' in vhost '/'" in str(caught.value)
        assert "secret-word" not in str(caught.value)
    finally:
        await asyncio.to_thread(rabbitmq.delete_user, user)


async def test_a_broker_that_is_away_and_a_port_of_somebody_else_are_told_with_the_address(pipeline, free_port):
    port = free_port()
    with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}: connection refused: is RabbitMQ running"):
        async with pipeline(addr=f"amqp://127.0.0.1:{port}/"):
            pass

    async def web(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(web, "127.0.0.1", port):
        with pytest.raises(ConfigError, match="does not answer as an AMQP 0-9-1 broker does"):
            async with pipeline(addr=f"amqp://127.0.0.1:{port}/"):
                pass


@pytest.fixture
def secure(shared_server, certificates) -> RabbitMQ:
    return shared_server(RabbitMQ, certificates=certificates)


async def test_tls_with_and_without_a_certificate_of_our_own(pipeline, secure, certificates, names):
    files = {"root_ca": str(certificates.ca)}
    for tls in (files, {**files, "cert": str(certificates.client_cert), "key": str(certificates.client_key)}):
        async with pipeline(addr=secure.tls_uri(), section={"tls": tls}) as one:
            await one.push(one.job("1", b"x" * 300_000), one.job("2"))
            await one.done("1")
            await one.done("2")


async def test_tls_that_cannot_be_trusted_or_read_is_told(pipeline, secure, certificates, tmp_path):
    for tls, words in (
        (None, "TLS with 127.0.0.1:.* failed: CERTIFICATE_VERIFY_FAILED|self.signed certificate"),
        (
            {"root_ca": str(tmp_path / "none.pem")},
            r"amqp\.tls\.root_ca: cannot read .*none\.pem: there is no such file",
        ),
        ({"root_ca": str(certificates.ca), "cert": str(certificates.ca), "key": str(certificates.ca)}, "cannot use"),
    ):
        with pytest.raises(ConfigError, match=words):
            async with pipeline(addr=secure.tls_uri(), section={"tls": tls}):
                pass


async def test_plain_text_to_a_tls_port_is_told(pipeline, secure):
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:\d+: does not answer as an AMQP 0-9-1 broker does"):
        async with pipeline(addr=f"amqp://guest:guest@127.0.0.1:{secure.tls_port}/"):
            pass


async def test_an_alarm_holds_up_pushes_and_says_so_while_acks_go_on(pipeline, rabbitmq):
    async with pipeline(durable=True, options={"timeout_s": 2.0}) as one:
        await one.push(one.job("1"), one.job("2"))
        held = await one.sink.takes(2)
        await asyncio.to_thread(rabbitmq.ctl, "set_vm_memory_high_watermark", "absolute", "1MB")
        try:
            with pytest.raises(PushRefused, match="takes no messages at the moment"):
                for _ in range(2):
                    await one.push(one.job("blocked"))
            with pytest.raises(PushRefused, match=r"not accepted: .* takes no messages at the moment, it is low on"):
                await one.push(one.job("blocked"))
            for delivery in held:
                answer(delivery)
            await eventually(lambda: _reserved(one, 0), "the acks have arrived")
        finally:
            await asyncio.to_thread(rabbitmq.ctl, "set_vm_memory_high_watermark", "absolute", "512MB")
        await one.push(one.job("after"))
        seen = set()
        while "after" not in seen:
            delivery = await one.sink.take()
            seen.add(delivery.job.id)
            answer(delivery)


async def _reserved(one, count) -> bool:
    return (await one.state()).reserved == count


async def test_what_the_broker_finds_too_big_is_refused_and_the_next_push_goes_through(pipeline, rabbitmq):
    set_limit = "application:set_env(rabbit, max_message_size, {})."
    await asyncio.to_thread(rabbitmq.ctl, "eval", set_limit.format(1_000_000))
    try:
        async with pipeline() as one:
            with pytest.raises(PushRefused, match=r"not accepted: cannot publish .* message size 2000000 is larger"):
                await one.push(one.job("big", b"x" * 2_000_000))
            await one.push(one.job("small"))
            await one.done("small")
    finally:
        await asyncio.to_thread(rabbitmq.ctl, "eval", set_limit.format(134_217_728))


async def test_connections_that_an_operator_closes_come_back(pipeline, rabbitmq):
    async with pipeline(durable=True) as one:
        lost = []
        one.events.subscribe("broker.lost", lambda name, fields: lost.append(fields["reason"]))
        await asyncio.to_thread(rabbitmq.ctl, "close_all_connections", "maintenance at noon")
        await eventually(lambda: lost, "the loss is told")
        assert "maintenance at noon" in lost[0]
        await one.push(one.job("1"))
        await one.done("1")


async def test_a_user_that_is_deleted_while_we_work_is_told_and_one_that_comes_back_is_used(
    pipeline, rabbitmq, unique_name
):
    user = unique_name("user")

    def grant() -> None:
        rabbitmq.add_user(user, "word")
        rabbitmq.set_permissions(user)

    await asyncio.to_thread(grant)
    async with pipeline(addr=rabbitmq.uri(user=user, password="word"), durable=True) as one:
        await asyncio.to_thread(rabbitmq.delete_user, user)
        await asyncio.to_thread(rabbitmq.ctl, "close_all_connections", "user is gone")
        await eventually(lambda: _error_has(one, f"refuses user '{user}'"), "the refusal is told")
        await asyncio.to_thread(grant)
        await one.push(one.job("1"))
        await one.done("1")
    await asyncio.to_thread(rabbitmq.delete_user, user)


async def _error_has(one, words) -> bool:
    return words in (await one.state()).error


async def test_a_peer_that_has_died_without_a_word_is_found_out(pipeline, rabbitmq, link_proxy):
    proxy = await asyncio.to_thread(link_proxy, rabbitmq.port)
    async with pipeline(addr=rabbitmq.uri(port=proxy.port) + "?heartbeat=1", durable=True) as one:
        lost = []
        one.events.subscribe("broker.lost", lambda name, fields: lost.append(fields["reason"]))
        await asyncio.to_thread(proxy.swallow)
        await eventually(lambda: lost, "the loss is told")
        assert "was not heard of for" in lost[0]
        await asyncio.to_thread(proxy.cut)
        await asyncio.to_thread(proxy.restore)
        await one.push(one.job("1"))
        await one.done("1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://127.0.0.1", "begins with amqp:// or amqps://"),
        ("amqp://127.0.0.1:99999/", "no port between 1 and 65535"),
        ("amqp://127.0.0.1/a/b", "one vhost behind the port"),
        ("amqp://127.0.0.1/?cacertfile=x", "`cacertfile` behind the question mark"),
        ("amqp://127.0.0.1/?heartbeat=0", "1 to 3600 seconds"),
        ("amqp://127.0.0.1/?connection_timeout=5s", "connection_timeout=5s: it is 1 to 600000 milliseconds"),
        ("amqp://127.0.0.1/?channel_max=3", "leave it out"),
    ],
)
def test_an_address_that_is_none_is_refused_with_what_would_be_right(text, words):
    with pytest.raises(ValueError, match=words):
        parse_address(text)


async def test_a_server_that_says_nothing_has_the_time_that_the_address_gives_it():
    async def hush(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hush, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        address = parse_address(f"amqp://127.0.0.1:{port}/?connection_timeout=250")
        with pytest.raises(BrokerUnreachable, match=rf"127.0.0.1:{port} did not answer within 0.25 s"):
            await Client.connect(address, None, "")


def test_an_address_is_taken_apart():
    address = parse_address("amqps://us%40er:p%2Fw@[::1]/my%2Fhost?heartbeat=5&connection_timeout=250")
    assert address.connect_s == 0.25
    assert (address.host, address.port, address.tls, address.heartbeat_s) == ("::1", 5671, True, 5)
    assert (address.user, address.password, address.vhost) == ("us@er", "p/w", "my/host")
    assert address.place == "[::1]:5671/my/host" and "p/w" not in repr(address)
    assert parse_address("").place == "127.0.0.1:5672"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "empty routing key"),
        ({"exchange_type": "fanout", "queue": "q", "exchange": {"name": "e"}}, "`exchange` is a section"),
        ({"version": 2, "queue": {"name": "q"}, "durable": True}, "`durable` belongs to version 1"),
        ({"version": 2, "queue": "q"}, "in version 2 `queue` and `exchange` are sections"),
        ({"queue": "q" * 256}, "is 256 bytes long, AMQP allows 255"),
        ({"queue": "q", "prefetch": 70_000}, "65535"),
        ({"queue": "q", "exchange_type": "topics"}, "'direct', 'fanout', 'topic' or 'headers'"),
        (
            {"queue": "q", "durable": True, "queue_headers": {"x-queue-type": "quorum", "x-max-priority": 5}},
            "a quorum queue has no `x-max-priority`",
        ),
        ({"queue": "q", "queue_headers": {"x-queue-type": "quorum"}}, "a quorum queue is durable"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(config, words):
    with pytest.raises(ValueError, match=words):
        AmqpConfig.model_validate(config)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"tls": {"key": "k"}}, "`key` and `cert` belong together"),
        ({"tls": {}}, "`tls` has no effect on an address that begins with amqp://"),
    ],
)
def test_a_section_that_cannot_work_is_refused(section, words):
    with pytest.raises(ValueError, match=words):
        AmqpSection.model_validate(section)


def test_a_declaration_has_the_keys_that_php_sends():
    spec = {
        "queue": "q", "exchange": "e", "exchange_type": "topics", "routing_key": "r.*", "prefetch": "25",
        "durable": "true", "exclusive": "false", "exchange_durable": "true", "exchange_auto_delete": "false",
        "queue_auto_delete": "true", "delete_queue_on_stop": "true", "multiple_ack": "true", "requeue_on_fail": "true",
        "redial_timeout": "5", "consume_all": "true", "queue_headers": '{"x-max-length": 5}', "consumer_id": "c",
        "exchange_declare": "false", "queue_declare": "false",
    }  # fmt: skip
    config = AmqpDriver.declared(spec)
    queue, exchange = config.queue, config.exchange
    assert (queue.name, queue.routing_key, queue.durable, queue.auto_delete) == ("q", "r.*", True, True)
    assert (queue.delete_on_stop, queue.headers, queue.consumer_id, queue.declare_) == (
        True, {"x-max-length": 5}, "c", False
    )  # fmt: skip
    assert (exchange.name, exchange.type, exchange.durable, exchange.declare_) == ("e", "topic", True, False)
    assert (config.prefetch, config.redial_timeout_s) == (25, 5.0)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"queue": "q", "queue_headers": "{no"}, "queue_headers is not JSON"),
        ({"queue": "q", "queue_headers": "5"}, "queue_headers is not a JSON object"),
        ({"exchange_type": "direct"}, "empty routing key"),
        ({"queue": "q", "exchange_type": "strange"}, "exchange_type: must be"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(spec, words):
    with pytest.raises(DriverError, match=words):
        AmqpDriver.declared(spec)


def test_php_writes_an_empty_map_as_a_list():
    assert AmqpDriver.declared({"queue": "q", "queue_headers": "[]"}).queue.headers == {}


async def test_a_link_that_ends_in_the_middle_of_the_login_is_an_unreachable_broker(rabbitmq, monkeypatch):
    received = FrameReceiver.get_frame

    async def ended(self):
        if self.started:
            self.reader.feed_eof()  # as when the end is there already when the next frame is asked for
        return await received(self)

    monkeypatch.setattr(FrameReceiver, "get_frame", ended)
    with pytest.raises(BrokerUnreachable, match="closed the connection during the login"):
        await Client.connect(parse_address(rabbitmq.uri()), None, "test")
