"""Push, order, priority, delay, payloads: a job arrives as it was pushed."""

import time

import pytest
from house import answer, eventually

from rrjobs.errors import PushRefused
from rrjobs.pipeline.job import MAX_DELAY_S


async def test_a_pushed_job_arrives_as_it_was_and_is_gone_after_its_ack(house):
    async with house() as one:
        await one.push(one.job("id-1", b"\x00\xff payload", headers={"a": ["1", "2"], "b": ["x"]}))
        delivery = await one.sink.take()
        job = delivery.job
        assert (job.id, job.name, job.payload, job.pipeline) == ("id-1", "Job", b"\x00\xff payload", "p")
        assert job.headers["a"][0] == "1" and job.headers["b"] == ["x"]
        assert (delivery.attempt, delivery.crashes) == (1, 0)
        answer(delivery)
        await one.idle()
        assert await one.sink.quiet()


async def test_a_batch_arrives_whole(house, harness):
    async with house(prefetch=100) as one:
        await one.push(*[one.job(str(number)) for number in range(300)])
        seen = []
        for _ in range(300):
            delivery = await one.sink.take()
            seen.append(delivery.job.id)
            answer(delivery)
        assert sorted(seen, key=int) == [str(number) for number in range(300)]
        if harness.abilities.ordered:
            assert seen == [str(number) for number in range(300)]
        await one.idle()


async def test_of_what_has_arrived_the_lowest_number_runs_first(house):
    async with house() as one:
        await one.registry.pause(["p"])
        await one.push(one.job("low", priority=20), one.job("high", priority=1), one.job("middle", priority=10))
        await one.registry.resume(["p"])
        await eventually(lambda: len(one.sink.queue) == 3, "all have arrived")
        deliveries = await one.sink.takes(3)
        assert [delivery.job.id for delivery in deliveries] == ["high", "middle", "low"]
        for delivery in deliveries:
            answer(delivery)


async def test_a_job_without_a_priority_gets_that_of_the_pipeline(house):
    async with house(priority=7) as one:
        await one.push(one.job("a"))
        delivery = await one.sink.take()
        assert delivery.priority == 7
        answer(delivery)


async def test_a_delayed_job_comes_in_time_and_holds_up_nobody(house, harness):
    async with house() as one:
        began = time.monotonic()
        await one.push(one.job("later", delay_s=2.0), one.job("now"))
        first = await one.sink.take()
        answer(first)
        second = await one.sink.take()
        answer(second)
        assert (first.job.id, second.job.id) == ("now", "later")
        assert time.monotonic() - began >= 2.0 - 0.05


async def test_the_longest_delay_there_is_holds_up_nobody(house):
    async with house() as one:
        lost: list[object] = []
        one.events.subscribe("broker.lost", lambda *event: lost.append(event))
        await one.push(one.job("in three years", delay_s=3 * 365 * 86400.0))
        await one.push(one.job("in a hundred", delay_s=float(MAX_DELAY_S)))
        assert await one.sink.quiet(0.5)
        await one.push(one.job("now"))
        answer(await one.sink.take())
        assert not lost


async def test_unicode_and_odd_names_survive(house):
    async with house() as one:
        headers = {"x-überschrift": ["straße", "日本"], "empty": [""]}
        await one.push(one.job("ид-1", "payload ☃".encode(), job='App\\Jobs\\"Größe"', headers=headers))
        delivery = await one.sink.take()
        assert delivery.job.id == "ид-1" and delivery.job.name == 'App\\Jobs\\"Größe"'
        assert delivery.job.payload == "payload ☃".encode()
        assert delivery.job.headers["x-überschrift"][0] == "straße" and list(delivery.job.headers["empty"]) == [""]
        answer(delivery)


@pytest.mark.parametrize("size", [0, 1, 200_000])
async def test_payloads_of_any_bytes_survive(house, size):
    payload = bytes(range(256)) * (size // 256 + 1)
    async with house() as one:
        await one.push(one.job("a", payload[:size]))
        delivery = await one.sink.take()
        assert delivery.job.payload == payload[:size]
        answer(delivery)


async def test_what_the_broker_finds_too_big_is_refused_and_disturbs_nothing(house, harness):
    async with house() as one:
        if harness.abilities.most_bytes:
            with pytest.raises(PushRefused):
                await one.push(one.job("big", b"x" * (harness.abilities.most_bytes + 1)))
        else:
            await one.push(one.job("big", b"x" * 10_000_000))
            answer(await one.sink.take())
        await one.push(one.job("small"))
        delivery = await one.sink.take()
        assert delivery.job.id == "small"
        answer(delivery)


async def test_no_more_than_prefetch_is_taken_from_the_broker(house):
    async with house(prefetch=3) as one:
        await one.push(*[one.job(str(number)) for number in range(8)])
        await eventually(lambda: len(one.sink.queue) == 3, "three have arrived")
        held = await one.sink.takes(3)
        assert await one.sink.quiet()
        answer(held[0])
        held.append(await one.sink.take())
        assert await one.sink.quiet()
        for delivery in held[1:]:
            answer(delivery)
        for _ in range(4):
            answer(await one.sink.take())
        await one.idle()
