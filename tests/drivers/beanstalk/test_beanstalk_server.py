"""Behaviour of the driver on a real beanstalkd, seen by the reference client."""

import asyncio
import signal
import sys
from pathlib import Path

import greenstalk
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "conformance"))

from harness_beanstalk import BeanstalkHarness
from house import House, answer, eventually, raise_error
from servers.beanstalkd import Beanstalkd

from rrjobs.drivers.beanstalk.item import decode_job, encode_job
from rrjobs.errors import PushRefused
from rrjobs.pipeline.job import Job


@pytest.fixture
def harness(shared_server, link_proxy, unique_name):
    return BeanstalkHarness(shared_server, link_proxy, unique_name)


@pytest.fixture
def client(harness):
    address = ("127.0.0.1", harness.server.port)
    with greenstalk.Client(address, encoding=None, use=f"{harness.prefix}-p", watch=f"{harness.prefix}-p") as made:
        yield made


@pytest.fixture
def house(harness, tmp_path):
    return lambda **options: House(harness, tmp_path, **options)


async def test_what_is_pushed_is_an_item_of_roadrunner_with_the_priority_of_the_tube(house, client):
    async with house() as one:
        await one.registry.pause(["p"])
        await one.push(one.job("id-1", b"body", headers={"h": ["v"]}))
        found = client.reserve(timeout=5)
        assert decode_job(found.body, "p", 0).headers == {"h": ["v"]}
        stats = client.stats_job(found)
        assert (stats["pri"], stats["ttr"]) == (0, 30)
        client.delete(found)


async def test_items_of_the_tube_come_by_their_priority_there(house, client):
    async with house(prefetch=1) as one:
        await one.registry.pause(["p"])
        for ident, priority in (("second", 9), ("first", 1)):
            client.put(encode_job(Job(ident, "Job", b"", "elsewhere", 5)), priority=priority)
        await one.registry.resume(["p"])
        for ident in ("first", "second"):
            delivery = await one.sink.take()
            assert (delivery.job.id, delivery.job.pipeline, delivery.priority) == (ident, "p", 5)
            answer(delivery)
        await one.idle()


async def test_a_job_of_another_server_that_died_is_another_attempt(house, client, harness):
    async with house() as one:
        await one.registry.pause(["p"])
        await one.push(one.job("a"))
        address = ("127.0.0.1", harness.server.port)
        with greenstalk.Client(address, encoding=None, watch=f"{harness.prefix}-p") as other:
            other.reserve(timeout=5)
        await one.registry.resume(["p"])
        delivery = await one.sink.take()
        assert delivery.attempt == 2
        answer(delivery)


async def test_a_job_that_runs_longer_than_its_time_to_run_stays_ours(harness, tmp_path, client):
    harness.timeout = "1s"
    async with House(harness, tmp_path) as one:
        await one.push(one.job("long"))
        delivery = await one.sink.take()
        with pytest.raises(greenstalk.TimedOutError):
            await asyncio.to_thread(client.reserve, 3)
        assert await one.sink.quiet(0.01)
        answer(delivery)
        await one.idle()


async def test_a_batch_with_one_job_too_big_is_refused_whole(house, client):
    async with house() as one:
        await one.registry.pause(["p"])
        with pytest.raises(PushRefused, match=r"job big has .* bytes, beanstalkd takes 1000000") as refused:
            await one.push(one.job("small"), one.job("big", b"x" * 1_000_001))
        assert refused.value.accepted == 0
        with pytest.raises(greenstalk.TimedOutError):
            client.reserve(timeout=0)


async def test_a_draining_server_is_named(start_broker, tmp_path, link_proxy, unique_name):
    own = start_broker(Beanstalkd)
    async with House(BeanstalkHarness(lambda *_, **__: own, link_proxy, unique_name), tmp_path) as one:
        own._process.send_signal(signal.SIGUSR1)

        async def refused():
            try:
                await one.push(one.job("a"))
            except PushRefused as err:
                return "draining" in str(err)
            return False

        await eventually(refused, "a push is refused")


async def test_many_slow_jobs_do_not_block_the_settling_of_one(house):
    async with house(prefetch=5) as one:
        await one.push(*[one.job(str(number)) for number in range(4)])
        held = await one.sink.takes(4)
        await one.push(one.job("late"))
        answer(await one.sink.take())
        await eventually(lambda: _reserved(one, 4), "the one is settled while four run")
        for delivery in held:
            answer(delivery)
        await one.idle()


async def test_jobs_that_come_one_by_one_cost_the_server_few_requests(start_broker, tmp_path, link_proxy, unique_name):
    own = start_broker(Beanstalkd)
    harness = BeanstalkHarness(lambda *_, **__: own, link_proxy, unique_name)
    with greenstalk.Client(("127.0.0.1", own.port)) as client:
        async with House(harness, tmp_path, prefetch=64) as one:
            for number in range(10):
                await one.push(one.job(str(number)))
                answer(await one.sink.take())
                await one.idle()
            assert client.stats()["cmd-reserve-with-timeout"] < 10 * 4


async def test_a_tube_that_is_full_is_taken_up_to_the_prefetch(house):
    async with house(prefetch=50) as one:
        await one.registry.pause(["p"])
        await one.push(*[one.job(str(number)) for number in range(120)])
        await one.registry.resume(["p"])
        held = await one.sink.takes(50)
        assert await one.sink.quiet(0.1)
        for delivery in held:
            answer(delivery)
        for _ in range(70):
            answer(await one.sink.take())
        await one.idle()


async def test_what_runs_on_from_a_lost_connection_takes_room_on_the_next_one(house, harness, client):
    async with house(prefetch=2) as one:
        for ident in "abcd":
            await one.push(one.job(ident))
        first, second = await one.sink.takes(2)
        harness.cut()
        taken = [await asyncio.to_thread(client.reserve, 5) for _ in range(2)]
        harness.mend()
        await eventually(lambda: _is_connected(one), "it is connected again")
        assert await one.sink.quiet(0.3)
        for before, expected in ((first, "c"), (second, "d")):
            answer(before)
            after = await one.sink.take()
            assert after.job.id == expected and await one.sink.quiet(0.05)
            answer(after)
        for job in taken:
            client.delete(job)
        await one.idle()


async def test_a_foreign_job_that_comes_again_while_it_runs_is_not_run_twice(house, harness):
    async with house() as one:
        await harness.write_foreign("p", b"tick", {})
        first = await one.sink.take()
        harness.cut()
        await eventually(lambda: _in_trouble(one), "the loss is known")
        harness.mend()
        await eventually(lambda: _reserved(one, 1), "it was delivered again")
        assert await one.sink.quiet(0.2)
        answer(first)
        await one.idle()


async def test_a_foreign_job_with_body_and_number_of_an_earlier_one_is_run(
    start_broker, tmp_path, link_proxy, unique_name
):
    own = start_broker(Beanstalkd, durable=False)
    harness = BeanstalkHarness(lambda *_, **__: own, link_proxy, unique_name)
    async with House(harness, tmp_path) as one:
        for _ in range(2):
            await harness.write_foreign("p", b"tick", {})
            answer(await one.sink.take())
            await one.idle()
            await asyncio.to_thread(own.restart, crash=True)
            await eventually(lambda: _is_connected(one), "it is connected again")


async def test_letters_that_are_put_at_once_share_one_connection(start_broker, tmp_path, link_proxy, unique_name):
    own = start_broker(Beanstalkd)
    harness = BeanstalkHarness(lambda *_, **__: own, link_proxy, unique_name)
    with greenstalk.Client(("127.0.0.1", own.port)) as client:
        async with House(harness, tmp_path) as one:
            for number in range(5):
                await one.push(one.job(str(number), headers={"rr-retry": ["max_attempts=1"]}))
            held = await one.sink.takes(5)
            for delivery in held:
                raise_error(delivery)
            await one.idle()
            (dead,) = [client.stats_tube(tube) for tube in client.tubes() if tube.endswith(".dead")]
            assert (dead["current-jobs-buried"] + dead["current-jobs-ready"], dead["current-using"]) == (5, 1)


async def _in_trouble(one):
    return not await _is_connected(one)


async def _is_connected(one):
    return not (await one.state()).error


async def _reserved(one, number):
    return (await one.state()).reserved == number
