"""Pushes that meet no other go straight to the broker: every record once, in order, whoever gives up."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer
from house import answer

pytestmark = pytest.mark.timeout(90)


def publishing(one):
    return one.registry._routes["p"].driver._kafka._clients._publishing


async def keys(setup, topic, count):
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=setup.server.address, auto_offset_reset="earliest"
    ) as consumer:
        async with asyncio.timeout(20):
            return [(await consumer.getone()).key.decode() for _ in range(count)]


async def test_single_pushes_one_after_another_do_not_wait_for_the_sender(house, setup, topic, monkeypatch):
    async with house(prefetch=50) as one:
        await one.push(one.job("first"))
        producer = publishing(one).producer

        async def never(*_, **__):
            raise AssertionError("this goes through the sender")

        monkeypatch.setattr(producer, "send", never)
        monkeypatch.setattr(producer, "send_batch", never)
        for number in range(20):
            await one.push(one.job(str(number)))
        assert await keys(setup, topic, 21) == ["first", *map(str, range(20))]
        for delivery in await one.sink.takes(21):
            answer(delivery)
        await one.idle()


async def test_pushes_of_many_tasks_and_batches_between_them_are_each_written_once_and_in_their_order(
    house, setup, topic
):
    async with house(prefetch=1000) as one:

        async def pushes(task: int) -> None:
            for number in range(25):
                jobs = [one.job(f"{task}-{number}-{part}") for part in range(1 if task % 2 else 3)]
                await one.push(*jobs)

        async with asyncio.TaskGroup() as group:
            for task in range(6):
                group.create_task(pushes(task))
        expected = [f"{task}-{n}-{p}" for task in range(6) for n in range(25) for p in range(1 if task % 2 else 3)]
        seen = await keys(setup, topic, len(expected))
        assert sorted(seen) == sorted(expected)
        for task in range(6):
            mine = [key for key in seen if key.startswith(f"{task}-")]
            assert mine == [key for key in expected if key.startswith(f"{task}-")]
        for delivery in await one.sink.takes(len(expected)):
            answer(delivery)
        await one.idle()


async def test_a_push_that_is_given_up_holds_no_later_one_back_and_is_written_once(house, setup, topic):
    async with house() as one:
        await one.push(one.job("before"))
        setup.server.freeze()
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await one.push(one.job("given up"))
            later = asyncio.create_task(one.push(one.job("later")))
            await asyncio.sleep(0)
        finally:
            setup.server.thaw()
        await later
        await one.push(one.job("last"))
        assert await keys(setup, topic, 4) == ["before", "given up", "later", "last"]
        for delivery in await one.sink.takes(4):
            answer(delivery)
        await one.idle()
        assert await one.sink.quiet()
