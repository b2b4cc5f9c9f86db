"""What a broker forgets when it crashes: acks that it had, and messages whose ack it had."""

import asyncio

from house import answer


async def test_what_a_crashed_broker_delivers_once_more_is_not_run_once_more(pipeline, rabbitmq):
    async with pipeline(durable=True, exchange_durable=True, prefetch=100) as one:
        await one.push(*[one.job(str(number)) for number in range(60)])
        for _ in range(40):
            answer(await one.sink.take())
        running = await one.sink.takes(5)
        await asyncio.to_thread(rabbitmq.restart, crash=True)
        for delivery in running:
            answer(delivery)
        left = [await one.sink.take() for _ in range(15)]
        assert [delivery.job.id for delivery in left] == [str(number) for number in range(45, 60)]
        assert {delivery.attempt for delivery in left} == {1}
        for delivery in left:
            answer(delivery)
        await one.idle()
        assert await one.sink.quiet()


async def test_a_job_that_comes_back_by_way_of_the_queues_dead_letters_runs_again(pipeline, rabbitmq, names, plain):
    back = {"x-message-ttl": 1500, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": names("q")}
    await plain.queue_declare(names("dlq"), durable=True, arguments=back)
    there = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": names("dlq")}
    async with pipeline(durable=True, queue_headers=there) as one:
        await one.push(one.job("1"))
        answer(await one.sink.take(), 3, message="later", requeue=False, delay_seconds=0)
        await one.idle()
        await asyncio.to_thread(rabbitmq.ctl, "close_all_connections", "maintenance")
        delivery = await one.sink.take()
        assert delivery.job.headers["x-first-death-reason"] == ["rejected"]
        answer(delivery)
