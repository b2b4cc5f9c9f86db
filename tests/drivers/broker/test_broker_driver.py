"""The common half of the broker drivers, with a broker in the test's hands and the test as the worker."""

import asyncio

import pytest
from broker_doubles import FakeBroker
from house import HandSink, answer, crash, eventually, until

from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.drivers.broker.driver import BrokerDriver
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import BrokerUnreachable, ConnectionLost, PushRefused, PushUnknown, ReceiptsLost
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.judge import PolicyJudge
from rrjobs.pipeline.policy import Policy
from rrjobs.runtime.eager import rest_of
from rrjobs.runtime.events import Events


class Bench:
    """A driver that runs."""

    def __init__(self, broker: FakeBroker, tmp_path, **surroundings) -> None:
        self.broker = broker
        self.sink = HandSink()
        self.driver = BrokerDriver("p", broker, Surroundings(Events(), state_dir=tmp_path, **surroundings))
        self.driver.judge = PolicyJudge()

    async def __aenter__(self) -> "Bench":
        await self.driver.open()
        self.task = asyncio.create_task(self.driver.run(self.sink))
        await self.driver.resume()
        return self

    async def __aexit__(self, *_) -> None:
        await self.driver.close()
        await self.task

    async def settled(self) -> None:
        async with until("everything settled"):
            await self.driver._intake.empty()


def job(ident: str, **options) -> Job:
    return Job(ident, "Job", b"x", "p", 10, **options)


async def test_a_job_is_acked_after_its_outcome_and_not_before(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a")])
        delivery = await bench.sink.take()
        assert bench.broker.acked == []
        answer(delivery)
        await bench.settled()
        assert bench.broker.acked == ["a"]


async def test_a_job_that_runs_while_the_link_is_cut_is_not_run_again(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a")])
        delivery = await bench.sink.take()
        bench.broker.cut()
        await eventually(lambda: bench.broker.connections and bench.broker.connections[0].unacked, "connected again")
        answer(delivery)
        await bench.settled()
        assert bench.broker.acked == ["a"] and await bench.sink.quiet()


async def test_an_outcome_that_found_no_link_meets_the_redelivery(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a"), job("b")])
        first, second = await bench.sink.takes(2)
        bench.broker.down = "away"
        bench.broker.cut()
        await eventually(lambda: bench.driver._link.current is None, "the loss is known")
        answer(first)
        crash(second)
        bench.broker.down = ""
        again = await bench.sink.take()
        assert (again.job.id, again.attempt, again.crashes) == ("b", 2, 1)
        answer(again)
        await bench.settled()
        assert sorted(bench.broker.acked) == ["a", "b", "b"] and await bench.sink.quiet()


async def test_what_was_not_started_belongs_to_the_broker_once_the_link_is_lost(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a"), job("b")])
        await bench.sink.take()
        bench.broker.down = "away"
        bench.broker.cut()
        await eventually(lambda: not len(bench.sink.queue), "the queue is empty")
        assert [entry[1].id for entry in bench.broker.queue_] == ["a", "b"]
        bench.broker.down = ""


async def test_paused_it_gives_back_what_was_not_started_in_its_order_and_no_attempt_is_counted(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a"), job("b"), job("c")])
        first = await bench.sink.take()
        await bench.driver.pause()
        await eventually(lambda: len(bench.broker.queue_) == 2, "b and c are with the broker")
        answer(first)
        await bench.driver.resume()
        again = await bench.sink.takes(2)
        assert [(one.job.id, one.attempt) for one in again] == [("b", 1), ("c", 1)]
        for one in again:
            answer(one)


async def test_a_redelivery_after_the_death_of_the_server_is_another_attempt(tmp_path):
    broker = FakeBroker()
    broker.queue_.append((1, job("a"), 1))
    async with Bench(broker, tmp_path) as bench:
        delivery = await bench.sink.take()
        assert delivery.attempt == 2
        answer(delivery)


async def test_returns_at_a_clean_stop_are_no_attempt_at_the_next_start(tmp_path):
    broker = FakeBroker()
    async with Bench(broker, tmp_path) as bench:
        await bench.driver.push([job("a")])
        async with until("it arrived"):
            await bench.sink.came.wait()
    assert [entry[2] for entry in broker.queue_] == [1]
    async with Bench(broker, tmp_path) as bench:
        delivery = await bench.sink.take()
        assert delivery.attempt == 1
        answer(delivery)


async def test_a_letter_that_the_broker_refuses_keeps_the_original_until_it_takes_it(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        bench.driver.judge = PolicyJudge().__class__(bench.driver.judge.policy.changed({"max_crashes": 1}))
        await bench.driver.push([job("a")])
        delivery = await bench.sink.take()
        bench.broker.refuse = "full"
        crash(delivery)
        await eventually(lambda: "full" in bench.driver._settling.trouble, "trouble is told")
        assert "full" in (await bench.driver.state()).error
        assert bench.broker.acked == []
        bench.broker.refuse = ""
        await bench.settled()
        assert bench.broker.acked == ["a"] and [letter.id for letter in bench.broker.dead] == ["a"]


async def test_an_auto_ack_job_is_acked_when_it_begins(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a", auto_ack=True)])
        async with until("it arrived"):
            await bench.sink.came.wait()
        assert bench.broker.acked == []
        delivery = await bench.sink.take()
        await eventually(lambda: bench.broker.acked == ["a"], "it is acked")
        answer(delivery)
        await bench.settled()
        assert bench.broker.acked == ["a"]


async def test_a_push_without_a_link_waits_and_then_says_that_nothing_was_accepted(tmp_path):
    async with Bench(FakeBroker(), tmp_path, timeout_s=0.3) as bench:
        bench.broker.down = "connection refused"
        bench.broker.cut()
        await eventually(lambda: bench.driver._link.current is None, "the loss is known")
        with pytest.raises(PushRefused, match="not accepted: connection refused"):
            await bench.driver.push([job("a")])
        bench.broker.down = ""


async def test_a_push_whose_link_is_cut_in_between_says_that_nobody_knows(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        pushing = asyncio.create_task(bench.driver.push([job("a")]))
        await asyncio.sleep(0)
        bench.broker.cut("reset by peer")
        with pytest.raises(PushUnknown, match="unknown whether it was accepted: reset by peer"):
            await pushing


async def test_a_broker_that_is_away_at_the_start_ends_it_with_the_reason(tmp_path):
    broker = FakeBroker()
    broker.down = "fake:1: connection refused"
    driver = BrokerDriver("p", broker, Surroundings(Events(), startup_timeout_s=0.2))
    with pytest.raises(BrokerUnreachable, match=r"connection refused \(tried for 0\.2 s\)"):
        await driver.open()
    await driver.close()


async def test_a_job_that_takes_down_every_server_becomes_a_letter(tmp_path):
    broker = FakeBroker()
    broker.queue_.append((1, job("a"), 10))
    async with Bench(broker, tmp_path) as bench:
        await bench.settled()
        assert [(letter.id, letter.reason) for letter in broker.dead] == [("a", "interrupted")]
        assert broker.acked == ["a"] and await bench.sink.quiet()


async def test_a_message_that_is_no_job_becomes_a_letter(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        connection = bench.broker.connections[0]
        connection.unacked[7] = (7, job("a"), 0)
        bench.driver.undecodable(BrokerDelivery(job("a"), bench.driver, 7, connection, "7"), "rr_headers is not JSON")
        await bench.settled()
        (letter,) = bench.broker.dead
        assert (letter.reason, letter.error, letter.payload) == ("undecodable", "rr_headers is not JSON", b"x")
        assert bench.broker.acked == ["a"]


async def test_a_push_that_met_a_dead_link_before_it_sent_anything_goes_to_the_next_one(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        dead = bench.broker.connections[0]

        async def publish(jobs) -> None:
            raise ConnectionLost("reset by peer", sent=False)

        dead.publish = publish
        pushing = asyncio.create_task(bench.driver.push([job("a")]))
        await asyncio.sleep(0)
        bench.broker.cut()
        async with until("the push is done"):
            await pushing
        delivery = await bench.sink.take()
        assert delivery.job.id == "a"
        answer(delivery)


async def test_what_was_not_started_when_the_link_was_cut_comes_again_in_its_first_attempt(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a"), job("b")])
        running = await bench.sink.take()
        bench.broker.cut()
        again = await bench.sink.take()
        assert (again.job.id, again.attempt) == ("b", 1)
        for one in (running, again):
            answer(one)
        await bench.settled()


async def test_two_messages_of_one_identity_each_find_their_own_receipt_again(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        connection = bench.broker.connections[0]
        for number in (1, 2):
            bench.driver.arrived(BrokerDelivery(job("a"), bench.driver, number, connection, "a", repeats=False))
        twins = await bench.sink.takes(2)
        bench.broker.cut()
        await eventually(lambda: bench.broker.connections, "connected again")
        second = bench.broker.connections[0]
        for number in (1, 2):
            second.unacked[number] = (number, job("a"), 1)
            bench.driver.arrived(BrokerDelivery(job("a"), bench.driver, number, second, "a", redelivered=1))
        for one in twins:
            answer(one)
        await bench.settled()
        assert bench.broker.acked == ["a", "a"] and not second.unacked and await bench.sink.quiet()


async def test_a_push_can_begin_outside_of_a_task_as_rpc_calls_do(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        pushing = bench.driver.push([job("a")])
        begun = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: begun.set_result(pushing.send(None)))
        await rest_of(pushing, await begun)
        answer(await bench.sink.take())
        await bench.settled()


async def test_what_a_connection_delivers_once_more_under_its_exact_name_is_not_run_twice(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        connection = bench.broker.connections[0]
        for number in (1, 2):
            connection.unacked[number] = (number, job("a"), number - 1)
            bench.driver.arrived(BrokerDelivery(job("a"), bench.driver, number, connection, "a", exact=True))
        answer(await bench.sink.take())
        await bench.settled()
        assert list(connection.unacked) == [1] and await bench.sink.quiet()


async def test_an_outcome_whose_receipt_was_lost_meets_the_redelivery(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a"), job("b")])
        connection = bench.broker.connections[0]
        told, acking = [], connection.ack

        async def somebody_else_has_a(deliveries):
            await acking([one for one in deliveries if one.job.id != "a"])
            raise ReceiptsLost("visible again", [one for one in deliveries if one.job.id == "a"])

        connection.ack = somebody_else_has_a
        bench.driver._surroundings.events.subscribe("delivery.superseded", lambda _, fields: told.append(fields["id"]))
        for delivery in await bench.sink.takes(2):
            answer(delivery)
        await bench.settled()
        assert bench.broker.acked == ["b"] and told == ["a"]
        connection.ack = acking
        bench.broker.cut()
        await eventually(lambda: bench.broker.acked == ["b", "a"], "the redelivery is acked")
        assert await bench.sink.quiet()


async def test_what_the_broker_takes_back_is_dropped_unstarted_and_meets_its_outcome_when_it_comes_again(tmp_path):
    async with Bench(FakeBroker(prefetch=3), tmp_path) as bench:
        await bench.driver.push([job("a"), job("b"), job("c")])
        runs, ended = await bench.sink.takes(2)
        answer(ended)
        await eventually(lambda: bench.broker.acked == ["b"], "b is settled")
        connection = bench.broker.connections[0]
        dropped = bench.driver.drop(lambda one: one.connection is connection)
        assert [one.job.id for one in dropped] == ["c"] and not len(bench.sink.queue)
        bench.driver.withdraw(lambda one: one.connection is connection)
        answer(runs)
        assert bench.broker.acked == ["b"]
        taken = list(connection.unacked.values())
        connection.unacked.clear()
        bench.broker.queue_.extend(taken)
        connection.feed()
        again = await bench.sink.take()
        assert (again.job.id, again.attempt) == ("c", 1)
        answer(again)
        await bench.settled()
        assert bench.broker.acked == ["b", "a", "c"] and await bench.sink.quiet()


async def test_a_letter_whose_message_could_not_be_acked_is_kept_once(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a", auto_ack=False)])
        connection = bench.broker.connections[0]

        async def cut(deliveries):
            bench.broker.cut()
            raise ConnectionLost("cut")

        connection.ack = cut
        bench.driver.judge = PolicyJudge(Policy(max_crashes=1))
        crash(await bench.sink.take())
        await eventually(lambda: bench.broker.acked == ["a"], "the redelivery is acked")
        assert [letter.id for letter in bench.broker.dead] == ["a"] and await bench.sink.quiet()
