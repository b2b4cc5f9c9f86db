"""Messages on real servers: what RoadRunner writes and reads, refusals, visibility, receipts, redrive, long delays."""

import asyncio
import time

import pytest
from house import answer, eventually

from rrjobs.drivers.sqs.delays import Wait, redelivered, wait_of
from rrjobs.drivers.sqs.queues import Queue
from rrjobs.errors import PushRefused
from rrjobs.pipeline.dead_letter import ALL


async def url_of(client, name):
    return (await client.get_queue_url(QueueName=name))["QueueUrl"]


def text(value):
    return {"DataType": "String", "StringValue": value}


ROADRUNNER = {
    "rr_id": text("from-rr"),
    "rr_job": text("App\\Ping"),
    "rr_delay": text("0"),
    "rr_headers": {"DataType": "Binary", "BinaryValue": b'{"h":["1","2"]}'},
    "rr_priority": {"DataType": "Number", "StringValue": "3"},
    "rr_auto_ack": text("false"),
}


async def test_what_roadrunner_wrote_is_read_with_the_attributes_of_sqs_as_headers(both, pipeline, plain):
    async with pipeline(both) as one, plain(both) as client:
        url = await url_of(client, one.queue)
        await client.send_message(QueueUrl=url, MessageBody='{"a":1}', MessageAttributes=ROADRUNNER)
        delivery = await one.sink.take()
        job = delivery.job
        assert (job.id, job.name, job.payload, job.priority) == ("from-rr", "App\\Ping", b'{"a":1}', 3)
        assert job.headers["h"] == ["1", "2"] and job.headers["ApproximateReceiveCount"] == ["1"]
        assert abs(int(job.headers["SentTimestamp"][0]) / 1000 - time.time()) < 60
        answer(delivery)
        await one.idle()


async def test_what_is_pushed_is_what_roadrunner_reads(both, pipeline, plain):
    async with pipeline(both) as one, plain(both) as client:
        await one.registry.pause(["p"])
        await one.push(one.job("id-1", b'{"a":1}', priority=7, headers={"h": ["1"]}))
        found = await client.receive_message(
            QueueUrl=await url_of(client, one.queue), MessageAttributeNames=["All"], WaitTimeSeconds=5
        )
        (message,) = found["Messages"]
        assert message["Body"] == '{"a":1}' and set(message["MessageAttributes"]) == set(ROADRUNNER)
        values = {key: held.get("StringValue") for key, held in message["MessageAttributes"].items()}
        assert (values["rr_id"], values["rr_job"], values["rr_priority"]) == ("id-1", "Job", "7")
        assert message["MessageAttributes"]["rr_headers"]["BinaryValue"] == b'{"h":["1"]}'


@pytest.mark.parametrize("size", [300_000, 1_100_000])
async def test_a_message_that_is_too_big_is_refused_with_its_size_and_the_others_are_taken(both, pipeline, size):
    """One server takes 1 MiB, the other 256 KiB, and does not tell."""
    fits = size == 300_000 and both.name == "ministack"
    async with pipeline(both, max_messages_in_flight=40) as one:
        jobs = [*[one.job(f"a{number}") for number in range(12)], one.job("big", b"x" * size), one.job("z")]
        if fits:
            await one.push(*jobs)
        else:
            with pytest.raises(PushRefused, match=rf"does not take job big of {size // 1000}\d\d\d bytes") as refused:
                await one.push(*jobs)
            assert refused.value.accepted == 13
        taken = await one.sink.takes(13 + fits)
        for delivery in taken:
            answer(delivery)
        seen = {delivery.job.id for delivery in taken}
        assert seen == {*(f"a{number}" for number in range(12)), "z", *(["big"] if fits else [])}


async def test_visibility_follows_a_job_that_runs_long(both, pipeline):
    async with pipeline(both, visibility_timeout=2) as one:
        await one.push(one.job("long"))
        delivery = await one.sink.take()
        assert await one.sink.quiet(4.0)
        answer(delivery)
        await one.idle()
        assert not one.superseded


async def test_a_job_whose_server_died_comes_again_and_that_counts(both, pipeline, plain, unique_name):
    name = unique_name("q")
    async with plain(both) as client:
        url = (await client.create_queue(QueueName=name))["QueueUrl"]
        await client.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=ROADRUNNER)
        found = await client.receive_message(QueueUrl=url, VisibilityTimeout=1, WaitTimeSeconds=5)
        assert found["Messages"]
    async with pipeline(both, queue=name) as one:
        delivery = await one.sink.take()
        assert (delivery.attempt, delivery.job.headers["ApproximateReceiveCount"]) == (2, ["2"])
        answer(delivery)
        await one.idle()


async def test_an_outcome_that_comes_after_the_visibility_is_neither_copied_nor_guessed(both, pipeline, plain):
    async with plain(both) as client, pipeline(both, visibility_timeout=3600) as one:
        url = await url_of(client, one.queue)
        await one.push(one.job("copied"), one.job("done"))
        held = {delivery.job.id: delivery for delivery in await one.sink.takes(2)}
        await one.registry.pause(["p"])
        for delivery in held.values():  # as if the time had run out, and somebody else had got them
            await client.change_message_visibility(QueueUrl=url, ReceiptHandle=delivery.tag.handle, VisibilityTimeout=0)
            delivery.tag.ours_until = 0.0
        theirs = []
        while len(theirs) < 2:
            found = await client.receive_message(
                QueueUrl=url, VisibilityTimeout=60, WaitTimeSeconds=5, MessageAttributeNames=["All"]
            )
            theirs += found.get("Messages", [])
        answer(held["copied"], 4, message="again", delay_seconds=0, headers={})
        answer(held["done"])
        await eventually(lambda: len(one.superseded) == 2, "both are told")
        assert sorted(one.superseded) == ["copied", "done"]
        for message in theirs:
            await client.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        await one.registry.resume(["p"])
        again = await one.sink.take()
        assert (again.job.id, again.attempt) == ("copied", 2)  # the copy that was asked for; neither was run anew
        answer(again)
        await one.idle()
        assert await one.sink.quiet()


async def test_a_refused_job_is_sent_again_as_roadrunner_does_and_counts(ministack, pipeline):
    async with pipeline(ministack) as one:
        await one.push(one.job("a"))
        answer(await one.sink.take(), 3, message="no", requeue=False, delay_seconds=0)
        again = await one.sink.take()
        assert (again.job.id, again.attempt, again.job.headers["ApproximateReceiveCount"]) == ("a", 2, ["1"])
        answer(again)
        await one.idle()


async def test_a_retained_job_stays_and_comes_after_its_error_visibility(both, pipeline):
    async with pipeline(both, retain_failed_jobs=True, error_visibility_timeout=1, visibility_timeout=60) as one:
        await one.push(one.job("a"))
        first = await one.sink.take()
        answer(first, 3, message="no", requeue=False, delay_seconds=0)
        assert await one.sink.quiet(0.5)
        again = await one.sink.take()
        assert again.identity == first.identity and again.attempt == 2
        answer(again)
        await one.idle()


async def test_a_retained_job_comes_after_its_visibility_where_nothing_else_is_said(ministack, pipeline):
    async with pipeline(ministack, retain_failed_jobs=True, visibility_timeout=2) as one:
        await one.push(one.job("a"))
        answer(await one.sink.take(), 3, message="no", requeue=False, delay_seconds=0)
        again = await one.sink.take()
        assert again.attempt == 2
        answer(again)
        await one.idle()


async def test_the_redrive_policy_takes_what_never_gets_an_outcome(both, pipeline, plain, unique_name):
    async with plain(both) as client:
        dead = (await client.create_queue(QueueName=unique_name("theirs")))["QueueUrl"]
        told = await client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        policy = {"deadLetterTargetArn": told["Attributes"]["QueueArn"], "maxReceiveCount": "2"}
        config = {"retain_failed_jobs": True, "error_visibility_timeout": 1, "attributes": {"RedrivePolicy": policy}}
        async with pipeline(both, **config) as one:
            await one.push(one.job("a"), one.job("retried"))
            for _ in range(2):
                for delivery in await one.sink.takes(2):
                    requeue = delivery.job.id == "retried"
                    answer(delivery, 3, message="no", requeue=requeue, delay_seconds=1)
            await one.done("retried")  # its copies are messages of their own, which the policy has not counted
            await one.idle()
            found = await client.receive_message(QueueUrl=dead, WaitTimeSeconds=5, MessageAttributeNames=["All"])
            assert [m["MessageAttributes"]["rr_id"]["StringValue"] for m in found["Messages"]] == ["a"]
            assert await one.dead.letters(ALL, 10) == []


@pytest.mark.parametrize("copied", [False, True])
async def test_a_job_that_waits_longer_than_sqs_can_is_run_in_time_once(both, pipeline, plain, unique_name, copied):
    """As if its first 15 minutes were over; with a redrive policy a copy takes its place."""
    attributes = {}
    async with plain(both) as client:
        if copied:
            dead = (await client.create_queue(QueueName=unique_name("theirs")))["QueueUrl"]
            told = await client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
            policy = {"deadLetterTargetArn": told["Attributes"]["QueueArn"], "maxReceiveCount": "2"}
            attributes = {"RedrivePolicy": policy}
        async with pipeline(both, attributes=attributes) as one:
            due = time.time() + 2.5
            await client.send_message(
                QueueUrl=await url_of(client, one.queue),
                MessageBody="x",
                MessageAttributes={**ROADRUNNER, "rr_due": text(f"{due:.3f}")},
            )
            delivery = await one.sink.take()
            assert time.time() > due - 0.6
            assert (delivery.job.id, delivery.attempt) == ("from-rr", 1)
            receipts = int(delivery.job.headers["ApproximateReceiveCount"][0])
            assert receipts == 1 if copied else receipts > 1
            answer(delivery)
            await one.idle()


def early(due, receipts, first=0.0):
    system = {"ApproximateReceiveCount": str(receipts), "ApproximateFirstReceiveTimestamp": str(int(first * 1000))}
    return {"MessageAttributes": {"rr_due": text(str(due))}, "Attributes": system}


def test_hops_of_a_long_delay_end_neither_by_the_receipt_nor_by_the_retention():
    queue = Queue("u")
    assert wait_of(early(1000, 1), 1000, queue, fifo=False) is None
    assert wait_of({}, 1000, queue, fifo=False) is None
    assert wait_of(early(4600, 1), 1000, queue, fifo=False) == Wait(hide_s=3600)
    assert wait_of(early(10**9, 1), 1000, queue, fifo=False) == Wait(hide_s=43_000)
    assert wait_of(early(10**9, 2), 1000, queue, fifo=False) == Wait(copy_s=10**9 - 1000)
    assert wait_of(early(10**9, 1), 1000, Queue("u", retention_s=600), fifo=False) == Wait(hide_s=300)
    assert wait_of(early(4600, 1), 1000, Queue("u", redrive=3), fifo=False) == Wait(copy_s=3600)
    assert wait_of(early(4600, 2), 1000, queue, fifo=True) == Wait(hide_s=3600)
    assert wait_of(early(10**9, 2), 1000, queue, fifo=True) == Wait(copy_s=10**9 - 1000)


def test_a_receipt_before_the_time_is_no_attempt():
    assert redelivered(early(1000, 2, first=100)) == 0
    assert redelivered(early(1000, 3, first=100)) == 1
    assert redelivered(early(1000, 2, first=1001)) == 1
    assert redelivered({"Attributes": {"ApproximateReceiveCount": "?"}}) == 0


async def test_a_pause_gives_back_what_its_last_request_brings(ministack, pipeline):
    async with pipeline(ministack, wait_time_seconds=3) as one:
        await asyncio.sleep(0.3)  # the request stands
        await one.registry.pause(["p"])
        await one.push(one.job("a"))
        await eventually(lambda: one.driver_returns(), "it came, and went back")
        assert await one.sink.quiet()
        await one.registry.resume(["p"])
        delivery = await one.sink.take()
        assert (delivery.job.id, delivery.attempt) == ("a", 1)
        assert delivery.job.headers["ApproximateReceiveCount"] == ["2"]
        answer(delivery)
        await one.idle()
