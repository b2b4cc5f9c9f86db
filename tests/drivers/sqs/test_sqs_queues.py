"""Queues on real servers: made with what the configuration says, found, deleted underneath, FIFO."""

import asyncio

import pytest
from house import answer, raise_error

from rrjobs.errors import ConfigError, PushRefused
from rrjobs.pipeline.dead_letter import ALL


async def url_of(client, name):
    return (await client.get_queue_url(QueueName=name))["QueueUrl"]


async def told(client, name, *attributes):
    answer = await client.get_queue_attributes(QueueUrl=await url_of(client, name), AttributeNames=["All"])
    return [answer["Attributes"].get(one) for one in attributes]


async def test_a_queue_is_made_with_its_attributes_and_tags(both, pipeline, plain):
    attributes = {"delayseconds": 1, "VisibilityTimeout": "45"}
    async with pipeline(both, attributes=attributes, tags={"team": "a"}) as one, plain(both) as client:
        assert await told(client, one.queue, "DelaySeconds", "VisibilityTimeout") == ["1", "45"]
        assert (await client.list_queue_tags(QueueUrl=await url_of(client, one.queue)))["Tags"] == {"team": "a"}
        state = await one.state()
        assert state.queue == await url_of(client, one.queue) and state.ready


async def test_a_queue_that_is_there_is_used_as_it_is(both, pipeline, plain, unique_name):
    name = unique_name("q")
    async with plain(both) as client:
        await client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "77"})
        wanted = {"VisibilityTimeout": "5", "DelaySeconds": "0"}
        async with pipeline(both, queue=name, attributes=wanted) as one:
            differs = "VisibilityTimeout is 77 there and 5 in the configuration"
            assert [(told["pipeline"], told["differs"]) for told in one.differing] == [("p", differs)]
            await one.push(one.job("a"))
            await one.done("a")
            assert await told(client, name, "VisibilityTimeout") == ["77"]


async def test_a_queue_that_is_not_to_be_made_must_be_there(both, pipeline):
    with pytest.raises(ConfigError, match=r"there is no queue .*skip_queue_declaration"):
        async with pipeline(both, skip_queue_declaration=True):
            pass


async def test_a_queue_that_is_deleted_underneath_is_made_again(both, pipeline, plain):
    async with pipeline(both) as one, plain(both) as client:
        await one.push(one.job("held"))
        held = await one.sink.take()
        before = one.link.current
        await client.delete_queue(QueueUrl=await url_of(client, one.queue))
        await one.push(one.job("after"))
        assert one.link.current is not before
        answer(held)  # its message went with the queue
        await one.done("after")
        await one.idle()


async def test_pushes_to_a_queue_that_is_gone_and_not_to_be_made_say_so(ministack, pipeline, plain, unique_name):
    name = unique_name("q")
    async with plain(ministack) as client:
        url = (await client.create_queue(QueueName=name))["QueueUrl"]
        async with pipeline(ministack, queue=name, skip_queue_declaration=True, timeout_s=2.0) as one:
            await client.delete_queue(QueueUrl=url)
            with pytest.raises(PushRefused, match=r"not accepted.*there is no queue"):
                await one.push(one.job("a"))
            assert "there is no queue" in (await one.state()).error


async def test_a_fifo_queue_keeps_the_order_of_a_group_and_drops_a_second_push(both, pipeline):
    async with pipeline(both, fifo=True, message_group_id="all", max_messages_in_flight=40) as one:
        await one.push(*[one.job(str(number)) for number in range(25)])
        await one.push(one.job("0"))
        await one.done(*[str(number) for number in range(25)])
        await one.idle()
        assert await one.sink.quiet()


async def test_copies_of_a_fifo_job_are_not_dropped_and_stay_in_their_group(both, pipeline):
    async with pipeline(both, fifo=True, message_group_id="all") as one:
        await one.push(one.job("a", headers={"MessageGroupId": ["special"]}))
        for attempt in (1, 2, 3):
            delivery = await one.sink.take()
            assert (delivery.attempt, delivery.job.headers["MessageGroupId"]) == (attempt, ["special"])
            answer(delivery, 4, message="again", delay_seconds=0, headers={})
        await one.done("a")
        await one.idle()


async def test_a_fifo_letter_can_be_replayed_at_once_and_its_job_runs_again(both, pipeline):
    async with pipeline(both, fifo=True, message_group_id="g", options={"retry": {"max_attempts": 1}}) as one:
        await one.push(one.job("a", b"\x00"), one.job("b"))
        for _ in range(2):
            raise_error(await one.sink.take())
        await one.idle()
        letters = await one.dead.letters(ALL, 10)
        assert sorted(letter.id for letter in letters) == ["a", "b"]
        (key,) = [letter.key for letter in letters if letter.id == "a"]
        assert await one.dead.replay([key]) == [""]
        delivery = await one.sink.take()
        assert (delivery.job.id, delivery.job.payload, delivery.attempt) == ("a", b"\x00", 1)
        answer(delivery)


async def test_a_delayed_fifo_job_waits_and_counts_no_attempt(both, pipeline):
    async with pipeline(both, fifo=True, message_group_id="g") as one:
        await one.push(one.job("a", delay_s=2.0))
        assert await one.sink.quiet(1.0)
        delivery = await one.sink.take()
        assert (delivery.job.id, delivery.attempt) == ("a", 1)
        answer(delivery)
        await one.idle()


async def test_a_fifo_queue_without_a_group_says_what_is_missing(ministack, pipeline):
    async with pipeline(ministack, fifo=True) as one:
        with pytest.raises(PushRefused, match="set `message_group_id`"):
            await one.push(one.job("a"))


async def test_two_pipelines_of_the_same_time_make_one_queue(ministack, pipeline, unique_name):
    name = unique_name("q")
    houses = [pipeline(ministack, queue=name) for _ in range(3)]
    await asyncio.gather(*(house.__aenter__() for house in houses))
    await asyncio.gather(*(house.__aexit__() for house in houses))
