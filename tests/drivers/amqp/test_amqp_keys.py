"""Every key of a pipeline, on the real broker."""

import pytest
from aiormq.exceptions import ChannelLockedResource, ChannelNotFoundEntity
from house import answer, crash, eventually
from pamqp.commands import Basic

from rrjobs.errors import ConfigError, DriverError, PushRefused
from rrjobs.pipeline.dead_letter import ALL


async def exists(plain, queue) -> bool:
    channel = await plain.connection.channel()
    try:
        await channel.queue_declare(queue, passive=True)
    except ChannelNotFoundEntity:
        return False
    except ChannelLockedResource:
        return True
    await channel.close()
    return True


async def test_a_fanout_exchange_gives_each_queue_a_copy_and_a_retry_to_its_own_queue_alone(pipeline, names):
    kind = {"exchange_type": "fanout", "routing_key": ""}
    async with pipeline(**kind) as one, pipeline(name="o", queue=names("other"), **kind) as other:
        await one.push(one.job("a"))
        crash(await one.sink.take())
        await other.done("a")
        again = await one.sink.take()
        assert (again.attempt, again.crashes) == (2, 1)
        answer(again)
        await one.idle()
        assert await other.sink.quiet()


async def test_a_topic_exchange_routes_by_the_key_that_a_job_brings(pipeline, names):
    kind = {"exchange_type": "topic"}
    async with (
        pipeline(routing_key="orders.*", **kind) as orders,
        pipeline(name="o", queue=names("other"), routing_key="bills.#", **kind) as bills,
    ):
        await orders.push(orders.job("1", headers={"x-routing-key": ["bills.new.eu"], "a": ["b"]}))
        await orders.push(orders.job("2", headers={"x-routing-key": ["orders.new"]}))
        delivery = await bills.sink.take()
        assert (delivery.job.id, dict(delivery.job.headers)) == ("1", {"a": ["b"]})
        answer(delivery)
        await orders.done("2")


async def test_a_delayed_job_keeps_the_key_that_it_brings(pipeline):
    async with pipeline(exchange_type="topic", routing_key="orders.*") as one:
        await one.push(one.job("1", delay_s=1.0, headers={"x-routing-key": ["orders.late"]}))
        with pytest.raises(PushRefused, match=r"no queue is bound to exchange .* with routing key 'nobody'"):
            await one.push(one.job("2", headers={"x-routing-key": ["nobody"]}))
        await one.done("1")


async def test_a_headers_exchange_can_be_used(pipeline):
    async with pipeline(exchange_type="headers", exchange_durable=True, exchange_auto_delete=True) as one:
        await one.push(one.job("1"))
        await one.done("1")


async def test_the_layout_of_version_2_does_the_same(pipeline, names, plain):
    queue = {"name": names("q"), "routing_key": "k", "durable": True, "headers": {"x-max-length": 100}}
    exchange = {"name": names("e"), "type": "topic", "durable": True, "auto_delete": False}
    async with pipeline(version=2, prefetch=1, queue=queue, exchange=exchange) as one:
        await one.push(one.job("1"))
        await one.done("1")
        await plain.queue_declare(names("q"), durable=True, arguments={"x-max-length": 100})
        await plain.exchange_declare(names("e"), exchange_type="topic", durable=True)


async def test_pushed_and_never_consumed_here_jobs_wait_in_the_queue(pipeline):
    async with pipeline(durable=True, options={"consume": False}) as one:
        await one.push(one.job("1"), one.job("2"))
        assert (await one.state()).active == 2
    async with pipeline(durable=True) as one:
        await one.done("1")
        await one.done("2")


async def test_a_pipeline_without_a_queue_only_pushes(pipeline, names, plain):
    async with pipeline(queue="", routing_key="k", options={"consume": False}) as producer:
        with pytest.raises(PushRefused, match="not accepted: no queue is bound to exchange"):
            await producer.push(producer.job("1"))
        await plain.queue_declare(names("theirs"))
        await plain.queue_bind(names("theirs"), names("e"), "k")
        await producer.push(producer.job("2"), producer.job("3"))
        message = await plain.basic_get(names("theirs"))
        assert message.header.properties.headers["rr_id"] == "2"
        with pytest.raises(DriverError, match="empty queue name, consider adding the queue name"):
            await producer.registry.resume(["p"])
        state = await producer.state()
        assert (state.queue, state.ready, state.error) == ("", False, "")
        assert await producer.dead.letters(ALL, 10) == []


async def test_an_exclusive_queue_is_ours_alone_and_gone_with_us(pipeline, names, plain):
    async with pipeline(exclusive=True) as one:
        await one.push(one.job("1"), one.job("2", delay_s=1.0))
        await one.done("1")
        await one.done("2")
        with pytest.raises(ConfigError, match="another connection has it for itself"):
            async with pipeline(name="o", exclusive=True):
                pass
    assert not await exists(plain, names("q"))


async def test_an_auto_delete_queue_goes_with_its_last_consumer(pipeline, names, plain):
    async with pipeline(queue_auto_delete=True) as one:
        await one.push(one.job("1"))
        await one.done("1")
        await one.idle()
    assert not await exists(plain, names("q"))


async def test_a_queue_is_deleted_when_the_pipeline_stops_only_where_that_is_asked_for(pipeline, names, plain):
    for asked in (False, True):
        async with pipeline(delete_queue_on_stop=asked, options={"consume": False}) as one:
            await one.push(one.job("1"))
        assert await exists(plain, names("q")) is not asked


async def test_a_queue_that_others_consume_outlives_the_pipeline(pipeline, names, plain):
    await plain.queue_declare(names("q"))
    async with pipeline(delete_queue_on_stop=True):
        await plain.basic_consume(names("q"), lambda message: None)
    assert await exists(plain, names("q"))


async def test_the_consumer_has_the_name_that_is_asked_for(pipeline, rabbitmq, names):
    async with pipeline(consumer_id="billing-1", prefetch=7) as one:
        await one.state()
        lines = rabbitmq.ctl("list_consumers", "queue_name", "consumer_tag", "prefetch_count").splitlines()
        assert f"{names('q')}\tbilling-1\t7" in lines


async def test_a_priority_queue_of_the_broker_gives_the_lower_number_first(pipeline):
    settings = {"queue_headers": {"x-max-priority": 10}, "prefetch": 1}
    async with pipeline(**settings, options={"consume": False}) as one:
        await one.push(*[one.job(str(number), priority=number) for number in (9, 300, 1, 5)])
    async with pipeline(**settings) as one:
        for ident in ("1", "5", "9", "300"):
            await one.done(ident)


async def test_a_quorum_queue_counts_runs_by_itself(pipeline):
    settings = {"durable": True, "queue_headers": {"x-queue-type": "quorum"}}
    async with pipeline(**settings) as one:
        await one.push(one.job("1"))
        for attempt in (1, 2, 3):
            delivery = await one.sink.take()
            assert delivery.attempt == attempt and "x-delivery-count" not in delivery.job.headers
            answer(delivery, 3, message="not now", requeue=True, delay_seconds=0)
        crash(await one.sink.take())
        after = await one.sink.take()
        assert (after.attempt, after.crashes) == (5, 1)
        answer(after)
        await one.idle()


@pytest.mark.parametrize(("kind", "order"), [("classic", "01234567"), ("quorum", "45670123")])
async def test_what_goes_back_unstarted_comes_again_in_its_order_and_first_attempt(pipeline, kind, order):
    settings = {"durable": True, "queue_headers": {"x-queue-type": kind}, "prefetch": 4}
    async with pipeline(**settings) as one:
        await one.push(*[one.job(str(number)) for number in range(8)])
        await eventually(lambda: len(one.sink.queue) == 4, "four have arrived")
        await one.registry.pause(["p"])
        await eventually(lambda: not len(one.driver._intake), "they are with the broker again")
        await one.registry.resume(["p"])
        for ident in order:
            delivery = await one.sink.take()
            assert (delivery.job.id, delivery.attempt) == (ident, 1)
            answer(delivery)


async def test_the_limit_of_a_quorum_queue_holds_and_its_own_dead_letters_get_it(pipeline, names, plain):
    await plain.queue_declare(names("dlq"))
    arguments = {
        "x-queue-type": "quorum", "x-delivery-limit": 1,
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": names("dlq"),
    }  # fmt: skip
    async with pipeline(durable=True, queue_headers=arguments) as one:
        await one.push(one.job("1"))
        for _ in range(2):
            answer(await one.sink.take(), 3, message="no", requeue=True, delay_seconds=0)
        await one.idle()
    message = await plain.basic_get(names("dlq"))
    assert message.header.properties.headers["x-first-death-reason"] == "delivery_limit"


async def test_a_refused_job_goes_where_the_queue_sends_its_dead(pipeline, names, plain):
    await plain.queue_declare(names("dlq"))
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": names("dlq")}
    async with pipeline(queue_headers=arguments, options={"max_crashes": 1}) as one:
        await one.push(one.job("refused"))
        answer(await one.sink.take(), 3, message="no", requeue=False, delay_seconds=0)
        await one.push(one.job("poison"))
        crash(await one.sink.take())
        await one.idle()
        assert [letter.id for letter in await one.dead.letters(ALL, 10)] == ["poison"]
    found = [(await plain.basic_get(names("dlq"))).header.properties.headers["rr_id"] for _ in range(2)]
    assert found == ["refused", "poison"]


async def test_without_declaring_a_missing_exchange_or_queue_is_said_at_the_start(pipeline, names, plain):
    queue = {"name": names("q"), "routing_key": "k", "declare": False}
    exchange = {"name": names("e"), "declare": False}
    with pytest.raises(ConfigError, match=r"cannot use exchange .*: no exchange .*: create it, or leave out"):
        async with pipeline(version=2, queue=queue, exchange=exchange):
            pass
    await plain.exchange_declare(names("e"))
    with pytest.raises(ConfigError, match=r"cannot use queue .*: no queue .*: create it, or leave out"):
        async with pipeline(version=2, queue=queue, exchange=exchange):
            pass
    await plain.queue_declare(names("q"))
    await plain.queue_bind(names("q"), names("e"), "k")
    async with pipeline(version=2, queue=queue, exchange=exchange) as one:
        await one.push(one.job("1"))
        await one.done("1")


@pytest.mark.parametrize(
    ("theirs", "ours", "words"),
    [
        ({"durable": True}, {"durable": False}, "`durable` is 'true' there and 'false' in the configuration"),
        (
            {"arguments": {"x-max-length": 5}},
            {"queue_headers": {"x-max-length": 6}},
            "the argument `x-max-length` is '5' there and '6' in the configuration",
        ),
        (
            {"arguments": {"x-max-length": 5}},
            {},
            "the argument `x-max-length` is '5' there and none in the configuration",
        ),
        ({"auto_delete": True}, {}, "`auto_delete` is 'true' there and 'false' in the configuration"),
    ],
)
async def test_a_queue_with_other_settings_is_told_with_both_values(pipeline, names, plain, theirs, ours, words):
    await plain.queue_declare(names("q"), **theirs)
    with pytest.raises(ConfigError) as caught:
        async with pipeline(**ours):
            pass
    assert words in str(caught.value) and names("q") in str(caught.value)


async def test_an_exchange_of_another_kind_is_told_with_both_values(pipeline, names, plain):
    await plain.exchange_declare(names("e"), exchange_type="topic")
    with pytest.raises(ConfigError, match="exchange's type is 'topic' there and 'direct' in the configuration"):
        async with pipeline():
            pass


async def test_a_full_queue_is_an_error_of_the_push_that_says_how_many_were_taken(pipeline):
    arguments = {"x-max-length": 2, "x-overflow": "reject-publish"}
    async with pipeline(queue_headers=arguments, options={"consume": False}) as one:
        await one.push(one.job("1"))
        with pytest.raises(PushRefused, match="the queue is full") as caught:
            await one.push(one.job("2"), one.job("3"))
        assert caught.value.accepted == 1


async def test_what_roadrunner_wrote_is_read_as_it_was(pipeline, names, plain):
    async with pipeline() as one:
        table = {
            "rr_id": "9f8e", "rr_job": "App\\Job", "rr_pipeline": "elsewhere", "rr_headers": bytearray(b'{"a":["b"]}'),
            "rr_delay": 0, "rr_priority": 3, "rr_auto_ack": False,
        }  # fmt: skip
        properties = Basic.Properties(headers=table, content_type="application/octet-stream", delivery_mode=2)
        await plain.basic_publish(b"\x00payload", exchange=names("e"), routing_key=names("q"), properties=properties)
        delivery = await one.sink.take()
        job = delivery.job
        assert (job.id, job.name, job.pipeline, job.payload) == ("9f8e", "App\\Job", "p", b"\x00payload")
        assert (delivery.priority, dict(job.headers), delivery.queue) == (3, {"a": ["b"]}, names("q"))
        answer(delivery)


async def test_every_foreign_thing_is_shown_to_php(pipeline, names, plain):
    async with pipeline() as one:
        properties = Basic.Properties(headers={"n": 5, "list": ["x", 1], "ok": True})
        await plain.basic_publish(b"x", exchange=names("e"), routing_key=names("q"), properties=properties)
        delivery = await one.sink.take()
        assert dict(delivery.job.headers) == {"n": ["5"], "list": ["x", "1"], "ok": ["true"]}
        answer(delivery)


async def test_a_queue_that_is_deleted_underneath_is_made_again(pipeline, names, plain):
    async with pipeline() as one:
        lost = []
        one.events.subscribe("broker.lost", lambda name, fields: lost.append(fields["reason"]))
        await plain.queue_delete(names("q"))
        await eventually(lambda: lost, "the loss is told")
        assert "cancelled the consumer of queue" in lost[0] and "deleted" in lost[0]
        await one.push(one.job("1"))
        await one.done("1")


async def test_an_exchange_that_is_deleted_underneath_is_made_again_by_a_push(pipeline, names, plain):
    async with pipeline() as one:
        await plain.exchange_delete(names("e"))
        await one.push(one.job("1"))
        await one.done("1")


async def test_a_header_that_fits_in_no_frame_is_refused_before_it_is_sent(pipeline):
    async with pipeline() as one:
        with pytest.raises(PushRefused, match=r"the headers of job 1 take \d+ bytes, the broker allows \d+"):
            await one.push(one.job("1", headers={"big": ["x" * 200_000]}))
        with pytest.raises(PushRefused, match=r"the routing key .* is 300 bytes long, AMQP allows 255"):
            await one.push(one.job("2", headers={"x-routing-key": ["k" * 300]}))
        await one.push(one.job("3"))
        await one.done("3")
