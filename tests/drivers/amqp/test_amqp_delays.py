"""Delays as steps and queues: few, never too early, of any length; and on the real broker."""

import random
import time

import pytest
from house import answer, crash, eventually
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame as pamqp_frame
from pamqp.commands import Basic

from rrjobs.drivers.amqp.delays import LONGEST_STEP_MS, MOST_MS, SPARE_MS, delay_queue, first_step
from rrjobs.drivers.amqp.frames import HEADER, frame
from rrjobs.drivers.amqp.message import encode_job
from rrjobs.errors import PushUnknown
from rrjobs.pipeline.job import Job

YEARS_S = 100 * 365 * 86400.0


@given(st.floats(0.001, YEARS_S))
def test_a_delay_is_never_shorter_and_hardly_longer_than_it_was_asked_for(delay_s):
    step = first_step(delay_s)
    total_s = (step.wait_ms + step.left_ms) / 1000
    assert delay_s - 1e-3 <= total_s <= delay_s * 1.6 + 0.1
    assert 0 < step.wait_ms <= LONGEST_STEP_MS and step.left_ms >= 0


@given(st.integers(1, int(YEARS_S)))
def test_whole_seconds_are_exact_after_few_steps(seconds):
    steps, left_ms = [], seconds * 1000
    while left_ms:
        step = first_step(left_ms / 1000)
        steps.append(step.wait_ms)
        left_ms = step.left_ms
    assert sum(steps) == seconds * 1000
    assert len(steps) <= 3 + seconds * 1000 // LONGEST_STEP_MS


def test_the_number_of_queues_is_bounded_whatever_the_delays_are():
    chance = random.Random(1)
    jittered = {first_step(chance.uniform(0.5, 300.0)).wait_ms for _ in range(20_000)}
    assert len(jittered) < 60
    whole = set()
    for _ in range(20_000):
        left_ms = chance.randint(1, 30 * 86400) * 1000
        while left_ms:
            step = first_step(left_ms / 1000)
            whole.add(step.wait_ms)
            left_ms = step.left_ms
    assert len(whole) < 600 + 1440 + 720


@given(st.floats(0.001, YEARS_S))
def test_a_queue_outlives_what_is_in_it_by_far(delay_s):
    step = first_step(delay_s)
    arguments = delay_queue(step.wait_ms, "e", "k", "q").arguments()
    assert arguments["x-message-ttl"] + SPARE_MS <= arguments["x-expires"] <= MOST_MS


def test_a_queue_is_named_as_roadrunner_names_it_and_told_apart_from_its():
    queue = delay_queue(5000, "amqp.default", "key", "mail")
    assert queue.name == "delayed-5000.amqp.default.mail.rrjobs"
    assert queue.arguments() | {"x-expires": 0} == {
        "x-dead-letter-exchange": "amqp.default",
        "x-dead-letter-routing-key": "key",
        "x-message-ttl": 5000,
        "x-expires": 0,
    }


async def test_jittered_retries_share_their_queues(pipeline):
    retry = {"initial": "1s", "max": "2s", "jitter": 0.5, "max_attempts": 3}
    async with pipeline(durable=True, prefetch=100, options={"retry": retry}) as one:
        await one.push(*[one.job(str(number)) for number in range(50)])
        for _ in range(50):
            crash(await one.sink.take())
        await eventually(lambda: _count(one, "delayed", 50), "all wait for their time")
        assert len(one.driver._link.current._topology.delays) <= 12
        for _ in range(50):
            delivery = await one.sink.take()
            assert (delivery.attempt, delivery.crashes) == (2, 1)
            answer(delivery)
        await one.idle()


async def _count(one, name, number) -> bool:
    return getattr(await one.state(), name) == number


async def test_a_retry_is_counted_as_delayed_and_its_headers_are_not_the_brokers(pipeline):
    async with pipeline(durable=True) as one:
        await one.push(one.job("1", headers={"a": ["b"]}, delay_s=1.0))
        assert (await one.state()).delayed == 1
        delivery = await one.sink.take()
        assert dict(delivery.job.headers) == {"a": ["b"]} and delivery.attempt == 1
        answer(delivery)
        await one.idle()


async def test_a_message_that_is_not_due_yet_takes_the_next_step(pipeline, names, plain):
    async with pipeline(durable=True) as one:
        due = time.time() + 2
        content = encode_job(Job("1", "J", b"x", "p", 1), b"rrjobs-1", now=time.time(), due=int(due * 1000))
        await _publish(plain, names("q"), content)
        await one.push(one.job("other"))
        await one.done("other")
        delivery = await one.sink.take()
        assert delivery.job.id == "1" and time.time() >= due - 0.06
        answer(delivery)
        await one.idle()


async def _publish(plain, queue, content) -> None:
    """As it is, properties and all."""
    _, _, header = pamqp_frame.unmarshal(frame(HEADER, 1, content.header))
    properties: Basic.Properties = header.properties
    await plain.basic_publish(content.body, routing_key=queue, properties=properties)


async def test_a_long_delay_begins_with_its_longest_step_and_says_when_it_is_due(pipeline, names, plain):
    async with pipeline(durable=True) as one:
        before = time.time()
        await one.push(one.job("1", delay_s=200 * 86400.0 + 61))
        (name,) = one.driver._link.current._topology.delays
        assert name == f"delayed-{LONGEST_STEP_MS}.{names('e')}.{names('q')}.rrjobs"
        message = await plain.basic_get(name)
        due = message.header.properties.headers["rr_due"]
        assert abs(due / 1000 - before - 200 * 86400 - 61) < 5
        await plain.queue_delete(name)


async def test_a_delay_queue_that_somebody_deleted_is_made_again(pipeline, plain):
    async with pipeline(durable=True) as one:
        await one.push(one.job("1", delay_s=1.0))
        await one.done("1")
        (name,) = one.driver._link.current._topology.delays
        await plain.queue_delete(name)
        await one.push(one.job("2", delay_s=1.0))
        await one.done("2")


@pytest.mark.parametrize("late", [False, True])
async def test_a_confirmation_that_comes_when_the_delay_queue_may_have_expired_proves_nothing(pipeline, late):
    async with pipeline(durable=True) as one:
        topology = one.driver._link.current._topology
        genuine = topology.delay

        async def delay(queue) -> float:
            declared = await genuine(queue)
            return declared - (SPARE_MS / 1000 if late else 0)

        topology.delay = delay
        if late:
            with pytest.raises(PushUnknown, match="took longer than the delay lasts"):
                await one.push(one.job("1", delay_s=1.0))
        else:
            await one.push(one.job("1", delay_s=1.0))
        await one.done("1")
