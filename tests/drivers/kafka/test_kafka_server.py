"""Keys and behaviours of the specification on a real broker, seen by a plain client."""

import asyncio
import struct
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from house import answer, eventually, raise_error
from servers.kafka import PASSWORD, USER

from rrjobs.drivers.kafka.driver import KafkaDriver
from rrjobs.errors import ConfigError, DriverError, PushRefused
from rrjobs.pipeline.dead_letter import ALL

pytestmark = pytest.mark.timeout(90)


async def records(setup, topic, count):
    """The first ones of a topic, of all its partitions."""
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=setup.server.address, auto_offset_reset="earliest"
    ) as consumer:
        async with asyncio.timeout(20):
            return [await consumer.getone() for _ in range(count)]


async def test_what_is_pushed_is_a_record_of_roadrunner(house, setup, topic):
    async with house() as one:
        await one.registry.pause(["p"])
        await one.push(one.job("id-1", b"body", headers={"h": ["v"]}, priority=3))
        (record,) = await records(setup, topic, 1)
        assert (record.key, record.value) == (b"id-1", b"body")
        assert record.headers == (
            ("h", b"v"), ("rr_job", b"Job"), ("rr_pipeline", b"p"), ("rr_priority", struct.pack("<Q", 3)),
        )  # fmt: skip


async def test_php_is_told_the_place_of_a_record(house, setup, topic):
    async with house() as one:
        await one.push(one.job("a"), one.job("b"))
        for offset in (0, 1):
            delivery = await one.sink.take()
            frame = delivery.encode()
            assert (
                b'"queue":"%b","topic":"%b","partition":0,"offset":%d' % (topic.encode(), topic.encode(), offset)
                in frame
            )
            answer(delivery)


@pytest.mark.parametrize("mechanism", ["plain", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_logins_are_proven(house, setup, mechanism):
    login = {"mechanism": mechanism, "username": USER, "password": PASSWORD}
    setup.login = {"brokers": [f"127.0.0.1:{setup.server.sasl_port}"], "sasl": login}
    async with house() as one:
        await one.push(one.job("a"), one.job("later", delay_s=0.01))
        for delivery in await one.sink.takes(2):
            answer(delivery)
        await one.idle()


async def test_a_wrong_password_is_told_with_the_user_and_never_shown(house, setup):
    login = {"mechanism": "SCRAM-SHA-256", "username": USER, "password": "not-that"}
    setup.login = {"brokers": [f"127.0.0.1:{setup.server.sasl_port}"], "sasl": login}
    with pytest.raises(ConfigError, match=f"refuses the login of user {USER}") as caught:
        async with house():
            pass
    assert "not-that" not in str(caught.value)


async def test_tls_checks_the_broker(house, setup, certificates):
    setup.login = {"brokers": [f"127.0.0.1:{setup.server.tls_port}"], "tls": {"root_ca": str(certificates.ca)}}
    async with house() as one:
        await one.push(one.job("a"))
        answer(await one.sink.take())
        await one.idle()


@pytest.mark.parametrize(
    ("tls", "text"),
    [
        ({"root_ca": "/no/such/file"}, "kafka.tls.root_ca: cannot read /no/such/file"),
        ({"cert": __file__, "key": __file__}, "kafka.tls: cannot use"),
        ({}, "certificate verify failed|self.signed|unable to get"),
    ],
)
async def test_tls_that_cannot_be_is_told(setup, house, tls, text, monkeypatch):
    monkeypatch.setattr("house.Surroundings", lambda *a, **k: _impatient(*a, **k))
    setup.login = {"brokers": [f"127.0.0.1:{setup.server.tls_port}"], "tls": tls}
    with pytest.raises(ConfigError, match=text):
        async with house():
            pass


def _impatient(*arguments, **options):
    from rrjobs.drivers.surroundings import Surroundings

    return Surroundings(*arguments, **{**options, "startup_timeout_s": 0.2})


async def test_a_broker_that_is_not_there_is_told_with_its_address(house, setup, monkeypatch):
    monkeypatch.setattr("house.Surroundings", _impatient)
    setup.login = {"brokers": ["127.0.0.1:1"]}
    with pytest.raises(ConfigError, match=r"Kafka at 127.0.0.1:1: connection refused .tried for"):
        async with house():
            pass


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"tls": {}}, r"the connection was closed .tried SSL: is this a port of Kafka, and does it expect `tls`"),
        (
            {"sasl": {"mechanism": "plain", "username": "a", "password": "secret"}},
            r"has no login on this port: leave out `sasl`",
        ),
    ],
)
async def test_a_port_without_tls_or_login_is_told(house, setup, monkeypatch, keys, text):
    monkeypatch.setattr("house.Surroundings", _impatient)
    setup.login = {"brokers": [f"127.0.0.1:{setup.server.port}"], **keys}
    with pytest.raises(ConfigError, match=text) as caught:
        async with house():
            pass
    assert "secret" not in str(caught.value)


async def test_a_topic_that_does_not_exist_is_made_only_where_that_is_allowed(house, setup, topic):
    setup.changes = {"auto_create_topics_enable": False}
    with pytest.raises(ConfigError, match=f"topic {topic} does not exist: make it, or set auto_create"):
        async with house():
            pass
    setup.server.create_topic(topic)
    async with house() as one:
        with pytest.raises(PushRefused, match="topic other-nowhere does not exist"):
            await one.push(one.job("a", options={"topic": "other-nowhere"}))


async def test_a_job_names_its_topic_and_with_manual_its_partition(house, setup, topic):
    setup.changes = {"producer_options": {"partitioning_strategy": "Manual"}, "consumer_options": None,
                     "group_options": None}  # fmt: skip
    setup.server.create_topic(topic, 3)
    async with house() as one:
        with pytest.raises(PushRefused, match="job a names no topic"):
            await one.push(one.job("a"))
        with pytest.raises(PushRefused, match="has no partition 7"):
            await one.push(one.job("a", options={"topic": topic, "partition": 7}))
        await one.push(one.job("a", options={"topic": topic, "partition": 2, "offset": 9, "metadata": "m"}))
        await one.push(one.job("b", options={"topic": topic, "partition": 1}, delay_s=0.05))
        found = {record.key: record.partition for record in await records(setup, topic, 2)}
        assert found == {b"a": 2, b"b": 1}


async def test_a_record_that_is_too_large_is_refused_by_its_own_limit_or_the_topics(house, setup, topic):
    setup.server.create_topic(topic, max_message_bytes="20000")
    async with house(prefetch=100) as one:
        with pytest.raises(PushRefused, match="max_message_bytes is 1000012"):
            await one.push(one.job("a", b"x" * 1_100_000))
        with pytest.raises(PushRefused, match=r"raise its max.message.bytes"):
            await one.push(one.job("a", b"x" * 30_000))
        await one.push(*[one.job(str(number), b"x" * 5_000) for number in range(20)])  # too large together
        deliveries = await one.sink.takes(20)
        assert sorted(int(delivery.job.id) for delivery in deliveries) == list(range(20))
        for delivery in deliveries:
            answer(delivery)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ({"type": "AtStart"}, [0, 1, 2, 3]),
        ({"type": "AtEnd"}, [4]),
        ({"type": "At", "value": 2}, [2, 3]),
        ({"type": "At", "value": -2}, [0, 1, 2, 3]),
        ({"type": "Relative", "value": -1}, [3]),
        ({"type": "relative", "value": -100}, [0, 1, 2, 3]),
        ({"type": "WithEpoch", "value": 1}, [4]),
        ({"type": "AfterMilli", "value": "middle"}, [2, 3]),
    ],
)
async def test_reading_begins_where_the_offset_says(house, setup, topic, offset, expected):
    setup.server.create_topic(topic)
    async with AIOKafkaProducer(bootstrap_servers=setup.server.address) as plain:
        now = int(time.time() * 1000)
        for number in range(4):
            await plain.send_and_wait(topic, b"%d" % number, timestamp_ms=now + number * 10)
        if offset.get("value") == "middle":
            offset = {**offset, "value": now + 15}
        setup.changes = {"group_options": None, "consumer_options": {"consumer_offset": offset}}
        async with house() as one:
            await plain.send_and_wait(topic, b"4")
            deliveries = await one.sink.takes(len({*expected, 4}))
            assert [int(delivery.job.payload) for delivery in deliveries] == sorted({*expected, 4})
            for delivery in deliveries:
                answer(delivery)


@pytest.mark.parametrize("form", ["map", "list"])
async def test_partitions_are_consumed_by_name_each_from_its_place(house, setup, topic, form):
    setup.server.create_topic(topic, 3)
    async with AIOKafkaProducer(bootstrap_servers=setup.server.address) as plain:
        for partition in range(3):
            for number in range(2):
                await plain.send_and_wait(topic, b"%d-%d" % (partition, number), partition=partition)
    places = [{"type": "AtStart"}, {"type": "At", "value": 1}]
    wanted = {topic: places if form == "list" else dict(enumerate(places))}
    setup.changes = {"group_options": None, "consumer_options": {"topics": [], "consume_partitions": wanted}}
    async with house() as one:
        deliveries = await one.sink.takes(3)
        assert {delivery.job.payload for delivery in deliveries} == {b"0-0", b"0-1", b"1-1"}
        assert await one.sink.quiet()
        for delivery in deliveries:
            answer(delivery)


async def test_a_partition_that_its_topic_has_not_is_told(house, setup, topic):
    setup.server.create_topic(topic, partitions=2)
    places = {topic: {1: {"type": "AtStart"}, 7: {"type": "AtStart"}}}
    setup.changes = {"group_options": None, "consumer_options": {"topics": [], "consume_partitions": places}}
    with pytest.raises(ConfigError, match=f"topic {topic} has no partition 7: it has 2, counted from 0"):
        async with house():
            pass


async def test_topics_are_found_by_expressions_but_never_our_own(house, setup, topic, unique_name):
    prefix = unique_name("re")
    for name in (f"{prefix}-a", f"{prefix}-b", f"{prefix}-a.dead", f"{prefix}-a.delay.4"):
        setup.server.create_topic(name)
    setup.changes = {"consumer_options": {"topics": [f"{prefix[2:]}-[ab]"], "consume_regexp": True}}
    async with AIOKafkaProducer(bootstrap_servers=setup.server.address) as plain, house() as one:
        for name in ("a.dead", "a.delay.4", "a", "b"):
            await plain.send_and_wait(f"{prefix}-{name}", name.encode())
        deliveries = await one.sink.takes(2)
        assert {delivery.job.payload for delivery in deliveries} == {b"a", b"b"}
        assert await one.sink.quiet()
        answer(deliveries[0], 4, message="again", delay_seconds=0, headers={})
        again = await one.sink.take()
        assert again.queue == deliveries[0].queue and again.attempt == 2
        answer(again)
        answer(deliveries[1])


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_what_is_compressed_comes_as_it_was(house, setup, codec):
    setup.changes = {"producer_options": {"compression_codec": codec}}
    async with house() as one:
        await one.push(one.job("a", b"x" * 5000))
        delivery = await one.sink.take()
        assert delivery.job.payload == b"x" * 5000
        answer(delivery)


@pytest.mark.parametrize("acks", ["NoAck", "LeaderAck"])
async def test_fewer_acks_work_too(house, setup, acks):
    setup.changes = {"producer_options": {"required_acks": acks, "disable_idempotent": True}}
    async with house() as one:
        await one.push(one.job("a"), one.job("b"))
        for delivery in await one.sink.takes(2):
            answer(delivery)


async def test_a_long_delay_goes_by_steps_and_is_there_in_time(house, setup, topic, monkeypatch):
    monkeypatch.setattr("rrjobs.drivers.kafka.delays.STEPS", (0, 1, 2))
    async with house() as one:
        began = time.monotonic()
        await one.push(one.job("a", delay_s=3.4), one.job("b", delay_s=1.2), one.job("c", delay_s=3.4))
        found = []
        for _ in range(3):
            delivery = await one.sink.take()
            found.append((delivery.job.id, time.monotonic() - began))
            answer(delivery)
        assert found[0][0] == "b" and {ident for ident, _ in found[1:]} == {"a", "c"}, "those that move together, too"
        assert found[0][1] >= 1.15 and found[1][1] >= 3.35
        await one.idle()
    assert (await records(setup, f"{topic}.delay.2", 1))[0].key == b"a"


async def test_letters_are_kept_by_key_and_tombstones_take_them_out(house, setup, topic):
    async with house() as one:
        for ident in ("a", "b"):
            await one.push(one.job(ident, ident.encode(), headers={"rr-retry": ["max_attempts=1"]}))
            raise_error(await one.sink.take())
        await one.idle()
        letters = await one.dead.letters(ALL, 10)
        assert [letter.id for letter in letters] == ["a", "b"]
        assert await one.dead.drop([letters[0].key]) == [""]
        found = await records(setup, f"{topic}.dead", 3)
        assert [record.value for record in found] == [b"a", b"b", None]
        assert found[2].key == found[0].key == letters[0].key.encode()


async def test_the_lag_counts_what_other_servers_have_too(house, setup, topic):
    setup.server.create_topic(topic, 2)
    async with house(prefetch=1) as one, house(prefetch=1, folder="second") as two:
        await one.push(*[one.job(str(number)) for number in range(20)])
        await eventually(lambda: len(one.sink.queue) == len(two.sink.queue) == 1, "both have one")
        for server in (one, two):
            state = await server.state()
            assert (state.active, state.reserved) == (19, 1)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"consumer_options": "{no"}, "consumer_options is not JSON"),
        ({"consumer_options": '{"topics": []}'}, "neither `topics` nor `consume_partitions`"),
        ({"consumer_options": '{"topics": ["a b"]}'}, "a topic's name holds letters"),
        ({"producer_options": '{"required_acks": "NoAck"}'}, "needs `disable_idempotent: true`"),
        ({"producer_options": '{"compression_codec": "rar"}'}, "compression_codec"),
        ({"consumer_options": '{"topics": ["("], "consume_regexp": true}'}, "no regular expression"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_by_its_key(spec, text):
    with pytest.raises(DriverError, match=text):
        KafkaDriver.declared(spec)


def test_a_declaration_of_php_is_read():
    found = KafkaDriver.declared(
        {
            "priority": "5",
            "brokers": '["127.0.0.1:9092"]',
            "auto_create_topics": "true",
            "sasl": '{"mechanism":"SCRAM-SHA-256","username":"u","password":"p","nonce":null,"is_token":false}',
            "producer_options": '{"disable_idempotent":true,"required_acks":"LeaderAck","request_timeout":"7s",'
            '"delivery_timeout":100000000000,"transaction_timeout":100000000000,"compression_codec":"gzip"}',
            "consumer_options": '{"topics":[],"consume_regexp":false,"max_fetch_message_size":1000,'
            '"min_fetch_message_size":1,"consumer_offset":{"type":"AtEnd","value":0},'
            '"consume_partitions":{"foo":[{"type":"At","value":4},{"type":"AtStart","value":0}]}}',
            "group_options": '{"group_id":"","block_rebalance_on_poll":false}',
        }
    )
    assert found.auto_create_topics_enable and found.sasl_options and found.sasl_options.username == "u"
    assert found.producer_options.request_timeout_s == 7.0 and found.producer_options.delivery_timeout_s == 100.0
    assert found.consumer_options is not None and found.group_options is None
    assert found.consumer_options.consume_partitions["foo"][0].value == 4
    assert TopicPartition("foo", 1).partition in found.consumer_options.consume_partitions["foo"]
