"""What is committed, by whom and when; rebalances; transactions."""

import asyncio
import random
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from house import answer, eventually

from rrjobs.drivers.surroundings import Surroundings

pytestmark = pytest.mark.timeout(90)


async def committed(setup, topic, partition=0):
    admin = AIOKafkaAdminClient(bootstrap_servers=setup.server.address)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(topic)
        held = found.get(TopicPartition(topic, partition))
        return held.offset if held else None
    finally:
        await admin.close()


@asynccontextmanager
async def producer(setup, **options):
    async with AIOKafkaProducer(bootstrap_servers=setup.server.address, **options) as made:
        yield made


async def test_a_slow_record_holds_nobody_back_and_what_passed_it_is_not_run_again(house, setup, topic, monkeypatch):
    monkeypatch.setattr("house.Surroundings", lambda *a, **k: Surroundings(*a, **{**k, "timeout_s": 3.0}))
    async with house(prefetch=20) as one:
        await one.push(*[one.job(str(number)) for number in range(60)])
        slow = await one.sink.take()
        for _ in range(59):
            answer(await one.sink.take())
        await eventually(lambda: reserved(one, 1), "all others are settled")
        assert await committed(setup, topic) == 0
        assert (await one.state()).active == 0
    async with house(prefetch=20) as other:
        again = await other.sink.take()
        assert again.job.id == slow.job.id == "0"
        assert await other.sink.quiet()
        answer(again)
        await other.idle()
        assert await committed(setup, topic) == 60


async def reserved(one, number):
    return (await one.state()).reserved == number


async def test_without_a_group_nothing_is_committed_and_each_start_begins_anew(house, setup):
    setup.changes = {"group_options": None}
    for _ in range(2):
        async with house() as one:
            if _ == 0:
                await one.push(*[one.job(str(number)) for number in range(3)])
            deliveries = await one.sink.takes(3)
            assert [delivery.job.id for delivery in deliveries] == ["0", "1", "2"]
            for delivery in deliveries:
                answer(delivery)


async def test_a_group_that_begins_at_the_end_misses_nothing_that_comes_while_it_is_away(house, setup):
    setup.changes = {"consumer_options": {"consumer_offset": {"type": "AtEnd"}}}
    setup.server.create_topic(setup.topic("p"))
    await setup.write_foreign("p", b"before", {})
    async with house() as one:
        await eventually(lambda: _has_partitions(one), "partitions are assigned")
        assert await one.sink.quiet()
    await setup.write_foreign("p", b"meanwhile", {})
    async with house() as one:
        delivery = await one.sink.take()
        assert delivery.job.payload == b"meanwhile"
        answer(delivery)
        await one.idle()


def _has_partitions(one, number=1):
    return len(clients(one).reader.partitions.windows) >= number


def clients(one):
    return one.registry._routes["p"].driver._kafka._clients


@pytest.mark.parametrize("servers", [2, 3])
async def test_rebalances_lose_nothing_and_double_nothing_that_was_settled(house, setup, topic, servers):
    setup.server.create_topic(topic, 4)
    runs: dict[str, int] = {}
    ended: dict[str, int] = {}
    jobs = 300

    async def work(sink):
        while True:
            delivery = await sink.take(120)
            ident = delivery.job.id
            runs[ident] = runs.get(ident, 0) + 1
            await asyncio.sleep(random.uniform(0.001, 0.01))
            ended[ident] = ended.get(ident, 0) + 1
            answer(delivery)

    async def comings_and_goings(number):
        for _ in range(3):
            async with house(prefetch=10, folder=f"s{number}") as other:
                worker = asyncio.create_task(work(other.sink))
                await asyncio.sleep(random.uniform(0.3, 1.0))
                await other.registry.hold()
                await asyncio.sleep(0.05)  # the one that runs ends
                worker.cancel()

    async with house(prefetch=10) as one:
        await one.push(*[one.job(str(number)) for number in range(jobs)])
        worker = asyncio.create_task(work(one.sink))
        await asyncio.gather(*[comings_and_goings(number) for number in range(servers - 1)])
        await eventually(lambda: len(ended) == jobs, "all have run", 60)
        await one.idle()
        worker.cancel()
    assert set(runs) == {str(number) for number in range(jobs)}
    assert {ident: count for ident, count in runs.items() if count > 1} == {}


async def test_what_runs_when_the_partition_goes_is_not_committed_by_us_and_not_run_twice_when_it_comes_back(
    house, setup, topic, monkeypatch
):
    monkeypatch.setattr("rrjobs.drivers.kafka.partitions.REVOKE_S", 0.2)
    async with house(prefetch=5) as one:
        await one.push(*[one.job(str(number)) for number in range(5)])
        running = await one.sink.take()
        consumer = clients(one).reader.consumer
        consumer._coordinator.request_rejoin()
        await eventually(lambda: len(one.sink.queue) == 0, "the unstarted ones went back")
        await eventually(lambda: len(one.sink.queue) == 4, "and came again")
        answer(running)
        for ident in ("1", "2", "3", "4"):
            delivery = await one.sink.take()
            assert (delivery.job.id, delivery.attempt) == (ident, 1)
            answer(delivery)
        await one.idle()
        assert await one.sink.quiet()
        assert await committed(setup, topic) == 5


async def test_records_of_an_aborted_transaction_are_not_run_where_that_is_asked_for(house, setup, topic):
    setup.changes = {"consumer_options": {"isolation_level": "read_committed"}}
    async with house() as one, producer(setup, transactional_id=f"{topic}-tx") as other:
        await other.begin_transaction()
        await other.send_and_wait(topic, b"aborted", key=b"a")
        await other.abort_transaction()
        async with other.transaction():
            await other.send_and_wait(topic, b"committed", key=b"b")
            assert await one.sink.quiet()  # not before it is
        delivery = await one.sink.take()
        assert delivery.job.payload == b"committed"
        answer(delivery)
        await one.idle()
        assert await one.sink.quiet()


async def test_the_marks_of_transactions_hold_no_commit_back(house, setup, topic):
    async with house() as one, producer(setup, transactional_id=f"{topic}-tx") as other:
        for number in range(3):
            async with other.transaction():
                await other.send_and_wait(topic, b"%d" % number)
        for delivery in await one.sink.takes(3):
            answer(delivery)
        await one.idle()
        assert (await one.state()).active == 0
        async with AIOKafkaConsumer(bootstrap_servers=setup.server.address) as plain:
            end = await plain.end_offsets([TopicPartition(topic, 0)])
        assert end == {TopicPartition(topic, 0): 6}
        await one.push(one.job("after"))
        answer(await one.sink.take())
        await one.idle()
        assert await committed(setup, topic) == 7


@pytest.mark.parametrize(
    ("ordering", "together"), [("partition", ["a1"]), ("key", ["a1", "b1"]), ("none", ["a1", "a2", "b1"])]
)
async def test_ordering_runs_one_after_the_other_what_it_names(house, setup, topic, ordering, together):
    setup.changes = {"consumer_options": {"ordering": ordering}}
    setup.server.create_topic(topic)
    async with producer(setup) as plain:
        for key, value in ((b"a", b"a1"), (b"a", b"a2"), (b"b", b"b1")):
            await plain.send_and_wait(topic, value, key=key)
    async with house() as one:
        at_once = await one.sink.takes(len(together))
        assert [delivery.job.payload.decode() for delivery in at_once] == together
        assert await one.sink.quiet()
        seen = list(together)
        while at_once:
            answer(at_once.pop(0))
            if len(seen) < 3:
                at_once.append(await one.sink.take())
                seen.append(at_once[-1].job.payload.decode())
        await one.idle()
        assert sorted(seen) == ["a1", "a2", "b1"]
        await one.registry.pause(["p"])


@pytest.mark.parametrize(
    ("ordering", "steps"),
    [
        ("none", [["ax1", "ay2", "cz5"], ["bx3", "by4"]]),
        ("key", [["ax1", "cz5"], ["ay2", "bx3"], ["by4"]]),
        ("partition", [["ax1"], ["ay2"], ["bx3"], ["by4"], ["cz5"]]),
    ],
)
async def test_an_order_of_record_keys_and_one_of_a_header_hold_both(house, setup, topic, ordering, steps):
    setup.changes = {"consumer_options": {"ordering": ordering}}
    setup.server.create_topic(topic)
    async with producer(setup) as plain:
        for name in (b"ax1", b"ay2", b"bx3", b"by4", b"cz5"):  # the record's key, the customer, the place
            headers = [("customer", name[1:2])]
            await plain.send_and_wait(topic, name, key=name[:1], headers=headers)
    async with house(ordering="key", ordering_key="customer") as one:
        for step in steps:
            deliveries = await one.sink.takes(len(step))
            assert sorted(delivery.job.payload.decode() for delivery in deliveries) == sorted(step)
            assert await one.sink.quiet(0.2), "no other may run beside these"
            for delivery in deliveries:
                answer(delivery)
        await one.idle()


async def test_a_topic_that_is_made_anew_is_read_from_its_beginning(house, setup, topic):
    async with house() as one:
        await one.push(*[one.job(str(number)) for number in range(5)])
        for delivery in await one.sink.takes(5):
            answer(delivery)
        await one.idle()
        admin = AIOKafkaAdminClient(bootstrap_servers=setup.server.address)
        await admin.start()
        await admin.delete_topics([topic])
        await admin.close()
        await eventually(lambda: _says(one, "does not exist"), "the loss is told")
        await one.push(one.job("anew"))
        delivery = await one.sink.take()
        assert delivery.job.id == "anew"
        answer(delivery)
        await one.idle()


async def _says(one, text):
    return text in (await one.state()).error or not (await one.state()).error


async def test_with_ordering_a_partition_that_comes_back_is_not_blocked_by_what_ran_before(house, setup, monkeypatch):
    monkeypatch.setattr("rrjobs.drivers.kafka.partitions.REVOKE_S", 0.2)
    setup.changes = {"consumer_options": {"ordering": "partition"}}
    async with house() as one:
        await one.push(one.job("0"), one.job("1"), one.job("2"))
        running = await one.sink.take()
        before = clients(one).reader.partitions.windows.copy()
        clients(one).reader.consumer._coordinator.request_rejoin()
        await eventually(
            lambda: _has_partitions(one) and clients(one).reader.partitions.windows != before, "it is back"
        )
        answer(running)
        for ident in ("1", "2"):
            delivery = await one.sink.take()
            assert delivery.job.id == ident
            assert await one.sink.quiet(0.1)
            answer(delivery)
        await one.idle()


async def test_more_partitions_are_used_as_soon_as_they_are_there(house, setup, topic):
    from aiokafka.admin import NewPartitions

    setup.server.create_topic(topic)
    setup.changes = {"producer_options": {"partitioning_strategy": "RoundRobin"}}
    async with house(prefetch=50) as one:
        admin = AIOKafkaAdminClient(bootstrap_servers=setup.server.address)
        await admin.start()
        await admin.create_partitions({topic: NewPartitions(3)})
        await admin.close()
        await eventually(lambda: len(clients(one)._topics.known(topic)) == 3, "they are seen")
        await one.push(*[one.job(str(number)) for number in range(9)])
        await eventually(lambda: _has_partitions(one, 3), "they are consumed", 45)
        deliveries = await one.sink.takes(9)
        assert {delivery.receipt.window.partition for delivery in deliveries} == {0, 1, 2}
        for delivery in deliveries:
            answer(delivery)
        await one.idle()
