"""Each server starts, answers its own protocol, outlives a crash with what it promises to keep, and stops."""

import asyncio
import re

import aio_pika
import greenstalk
import nats as nats_client
import pytest
from aiobotocore.session import get_session
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from server_process import wait_until

from servers.beanstalkd import Beanstalkd
from servers.kafka import PASSWORD, USER
from servers.link import Direction
from servers.nats import Nats, nats_cluster
from servers.process import ServerFailed, ServerMissing, accepts
from servers.sqs import CREDENTIALS, REGION

pytestmark = pytest.mark.timeout(120)


async def test_rabbitmq_keeps_a_durable_queue_through_a_restart(rabbitmq, unique_name):
    name = unique_name("mail")
    async with await aio_pika.connect(rabbitmq.uri()) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue(name, durable=True)
        message = aio_pika.Message(b"hello", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, name)
    await asyncio.to_thread(rabbitmq.restart)
    async with await aio_pika.connect(rabbitmq.uri()) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(name)
        got = await queue.get()
        assert got.body == b"hello"
        await got.ack()
        await queue.delete()


async def test_rabbitmq_gives_a_module_a_vhost_and_a_user_only_what_it_may(rabbitmq, vhost, unique_name):
    user = unique_name("user")
    rabbitmq.add_user(user, "secret")
    with pytest.raises(aio_pika.exceptions.AMQPError):
        await aio_pika.connect(rabbitmq.uri(vhost, user, "secret"))
    rabbitmq.set_permissions(user, vhost)
    async with await aio_pika.connect(rabbitmq.uri(vhost, user, "secret")):
        pass
    rabbitmq.delete_user(user)


def test_rabbitmq_raises_its_alarms_and_ends_them(rabbitmq):
    rabbitmq.set_memory_limit("1MB")
    rabbitmq.set_disk_limit("900000GB")
    wait_until(lambda: {"memory", "disk"} <= set(re.findall("memory|disk", rabbitmq.alarms())), "both alarms are on")
    rabbitmq.set_memory_limit()
    rabbitmq.set_disk_limit()
    wait_until(lambda: rabbitmq.alarms() == "[]", "both alarms end")


async def test_rabbitmq_serves_tls(rabbitmq, certificates):
    uri = f"{rabbitmq.tls_uri()}?cafile={certificates.ca}"
    async with await aio_pika.connect(uri) as connection:
        assert not connection.is_closed


async def test_kafka_keeps_records_through_a_crash(kafka, unique_name):
    topic = unique_name("mail")
    kafka.create_topic(topic, 2, retention_ms="60000")
    async with AIOKafkaProducer(bootstrap_servers=kafka.address, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, b"hello", partition=1)
    await asyncio.to_thread(kafka.restart, crash=True)
    assert await first_record(topic, bootstrap_servers=kafka.address) == b"hello"


async def test_kafka_is_reached_through_a_proxy_only_where_it_says_so(kafka, link_proxy, unique_name):
    proxy = link_proxy(kafka.proxied_target, kafka.proxied_port)
    topic = unique_name("mail")
    kafka.create_topic(topic)
    async with AIOKafkaProducer(bootstrap_servers=proxy.address) as producer:
        await producer.send_and_wait(topic, b"hello")
        trap = proxy.trap(Direction.UP, b"unlucky")
        sending = asyncio.ensure_future(producer.send_and_wait(topic, b"unlucky"))
        await trap.reached()
        await sending  # by another link
        assert proxy.made >= 3


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_kafka_asks_for_a_password(kafka, unique_name, mechanism):
    login = {
        "bootstrap_servers": f"127.0.0.1:{kafka.sasl_port}",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": USER,
        "sasl_plain_password": PASSWORD,
    }
    topic = unique_name("mail")
    async with AIOKafkaProducer(**login) as producer:
        await producer.send_and_wait(topic, b"hello")
    assert await first_record(topic, **login) == b"hello"


async def test_kafka_serves_tls(kafka, certificates, unique_name):
    from aiokafka.helpers import create_ssl_context

    tls = {
        "bootstrap_servers": f"127.0.0.1:{kafka.tls_port}",
        "security_protocol": "SSL",
        "ssl_context": create_ssl_context(cafile=str(certificates.ca)),
    }
    topic = unique_name("mail")
    async with AIOKafkaProducer(**tls) as producer:
        await producer.send_and_wait(topic, b"hello")
    assert await first_record(topic, **tls) == b"hello"


async def first_record(topic, **options):
    async with AIOKafkaConsumer(topic, auto_offset_reset="earliest", **options) as consumer:
        async with asyncio.timeout(30):
            return (await consumer.getone()).value


@pytest.mark.parametrize("name", ["ministack", "elasticmq"])
async def test_an_sqs_server_takes_a_message_and_gives_it_back(request, name, unique_name):
    server = request.getfixturevalue(name)
    session = get_session()
    async with session.create_client("sqs", endpoint_url=server.endpoint, region_name=REGION, **CREDENTIALS) as sqs:
        url = (await sqs.create_queue(QueueName=unique_name("mail")))["QueueUrl"]
        await sqs.send_message(QueueUrl=url, MessageBody="hello")
        got = await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)
        assert [message["Body"] for message in got["Messages"]] == ["hello"]
        await sqs.delete_queue(QueueUrl=url)


@pytest.mark.parametrize("name", ["nats", "old_nats"])
async def test_nats_keeps_a_stream_through_a_crash(request, name, unique_name):
    server = request.getfixturevalue(name)
    subject = unique_name("mail")
    client = await nats_client.connect(server.uri)
    await client.jetstream().add_stream(name=subject, subjects=[subject])
    await client.jetstream().publish(subject, b"hello")
    await client.close()
    server.restart(crash=True)
    client = await nats_client.connect(server.uri)
    assert (await client.jetstream().get_msg(subject, seq=1)).data == b"hello"
    await client.jetstream().delete_stream(subject)
    await client.close()


async def test_nats_serves_tls_to_those_who_know_the_password(start_broker, certificates):
    import ssl

    server = start_broker(Nats, user="rr", password="secret", certificates=certificates)
    context = ssl.create_default_context(cafile=str(certificates.ca))
    client = await nats_client.connect(server.uri, tls=context)
    assert client.is_connected
    await client.close()
    with pytest.raises(nats_client.errors.Error):
        await nats_client.connect(server.uri.replace("secret", "wrong"), tls=context, allow_reconnect=False)


async def test_nats_forms_a_cluster(tmp_path):
    members = nats_cluster(tmp_path)
    try:
        client = await nats_client.connect([member.uri for member in members])
        async with asyncio.timeout(30):
            while not await _added(client):  # each try waits for an answer itself
                await asyncio.to_thread(members[0].is_ready)
        await client.close()
    finally:
        for member in members:
            member.stop()


async def _added(client) -> bool:
    try:
        await client.jetstream(timeout=1).add_stream(name="mail", subjects=["mail"], num_replicas=3)
    except (nats_client.errors.TimeoutError, nats_client.js.errors.APIError, nats_client.errors.NoRespondersError):
        return False
    return True


def test_beanstalkd_keeps_jobs_through_a_crash_only_when_it_is_durable(beanstalkd, start_broker, unique_name):
    volatile = start_broker(Beanstalkd, durable=False)
    for server, kept in ((beanstalkd, 1), (volatile, 0)):
        tube = unique_name("mail")
        with greenstalk.Client(("127.0.0.1", server.port), use=tube) as client:
            client.put("hello")
        server.restart(crash=True)
        with greenstalk.Client(("127.0.0.1", server.port), watch=tube, use=tube) as client:
            assert _ready(client, tube) == kept


def _ready(client, tube) -> int:
    return int(client.stats_tube(tube)["current-jobs-ready"])


def test_a_frozen_server_answers_when_it_is_thawed(beanstalkd):
    beanstalkd.freeze()
    with greenstalk.Client(("127.0.0.1", beanstalkd.port)) as client:
        reader = client._sock
        reader.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.stats()
        beanstalkd.thaw()
    with greenstalk.Client(("127.0.0.1", beanstalkd.port)) as client:
        assert client.stats()["pid"] == beanstalkd.pid


def test_the_run_has_one_server_of_each_kind_and_mends_what_a_test_broke(shared_server):
    server = shared_server(Beanstalkd)
    server.kill()
    assert not accepts(server.port)
    again = shared_server(Beanstalkd)
    assert again is server
    assert accepts(server.port)


def test_a_server_stops_twice_and_leaves_nothing(tmp_path):
    server = Beanstalkd(tmp_path / "b").start()
    family = server.family()
    assert family
    server.stop()
    server.stop()
    assert not server.running
    assert not accepts(server.port)


def test_a_server_that_cannot_start_shows_its_log(tmp_path):
    server = Nats(tmp_path / "nats")
    server.directory.mkdir()
    (server.directory / "data").write_text("where the streams should be")
    with pytest.raises(ServerFailed, match=r"(?s)nats ended while it started:.*not a directory"):
        server.start()
    assert not server.running


def test_a_server_whose_port_is_taken_says_so(tmp_path, beanstalkd):
    with pytest.raises(ServerFailed, match=f"port {beanstalkd.port} is taken"):
        Beanstalkd(tmp_path / "second", beanstalkd.port).start()


def test_a_missing_program_is_named_with_the_way_to_install_it(tmp_path, monkeypatch):
    from servers import binaries

    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServerMissing, match="zzz is not installed: apt-get install zzz-server"):
        binaries.program("zzz", "zzz-server")
