"""What the common half of the broker drivers does when a broker fails at an unlucky moment."""

import asyncio

import pytest
from broker_doubles import FakeBroker
from house import answer, eventually, until
from test_broker_driver import Bench, job

from rrjobs.drivers.broker.copying import replace_by
from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.drivers.broker.leases import Leases
from rrjobs.drivers.broker.letters import BrokerLetters
from rrjobs.errors import BrokerRefused, ConnectionLost, DriverError, PushRefused, ReceiptsLost
from rrjobs.pipeline.outcome import Action, Counter, Outcome


class LastingBroker(FakeBroker):
    """What one connection received can be settled on the next one."""

    lasting_receipts = True


def asked_again(delivery):
    delivery.settler.settle(delivery, Outcome(Action.REQUEUE, Counter.REQUEUED, True))


async def test_an_early_ack_that_met_a_lost_link_is_made_on_the_next_one_where_receipts_last(tmp_path):
    async with Bench(LastingBroker(), tmp_path) as bench:
        await bench.driver.push([job("a", auto_ack=True)])
        first = bench.broker.connections[0]
        acked = []

        async def ack(deliveries):
            bench.broker.connections.remove(first)
            first.gone.set_result("cut")
            raise ConnectionLost("cut")

        first.ack = ack
        delivery = await bench.sink.take()
        await eventually(lambda: bench.broker.connections, "connected again")
        second = bench.broker.connections[0]
        second.ack = lambda deliveries: asyncio.sleep(0, acked.extend(deliveries))
        await eventually(lambda: acked == [delivery], "the ack is made on the next one")
        answer(delivery)
        await bench.settled()


async def test_an_auto_ack_job_whose_end_met_a_lost_link_is_not_kept_for_ever(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a", auto_ack=True)])
        delivery = await bench.sink.take()
        await eventually(lambda: bench.broker.acked == ["a"], "it is acked")
        connection = bench.broker.connections[0]
        connection.publish = lambda jobs: asyncio.sleep(60)
        asked_again(delivery)
        await asyncio.sleep(0.01)
        bench.broker.cut()
        again = await bench.sink.take()
        assert again.job.id == "a"
        answer(again)
        await bench.settled()


async def test_paused_while_the_link_is_down_what_was_not_started_is_not_run_where_receipts_last(tmp_path):
    async with Bench(LastingBroker(), tmp_path) as bench:
        await bench.driver.push([job("a")])
        async with until("it arrived"):
            await bench.sink.came.wait()
        bench.broker.down = "away"
        bench.broker.cut()
        await eventually(lambda: bench.driver._link.current is None, "the loss is known")
        await bench.driver.pause()
        assert not len(bench.sink.queue)
        bench.broker.connections.clear()


async def test_a_pause_is_no_error_when_the_link_breaks_meanwhile(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:

        async def cease():
            bench.broker.cut()
            raise ConnectionLost("cut")

        bench.broker.connections[0].cease = cease
        await bench.driver.pause()


async def test_a_push_that_hears_late_of_a_dead_link_goes_over_the_one_that_is_there_already(tmp_path):
    async with Bench(FakeBroker(), tmp_path, timeout_s=20.0) as bench:
        dead = bench.broker.connections[0]

        async def publish(jobs):
            bench.broker.cut()
            await eventually(lambda: bench.broker.connections, "connected again")
            raise ConnectionLost("cut", sent=False)

        dead.publish = publish
        async with until("the push is done", 10.0):
            await bench.driver.push([job("a")])
        answer(await bench.sink.take())


async def test_a_broker_that_lets_in_and_refuses_to_deliver_makes_the_pipeline_not_ready(tmp_path):
    async with Bench(FakeBroker(), tmp_path, liveness_s=0.5) as bench:
        broker, connect = bench.broker, bench.broker.connect

        async def useless():
            connection = await connect()

            async def consume(arrivals):
                raise BrokerRefused("the queue is gone")

            connection.consume = consume
            return connection

        broker.connect = useless
        broker.cut()

        async def red():
            state = await bench.driver.state()
            return not state.ready and "the queue is gone" in state.error

        await eventually(red, "it is not ready, and says why")


async def test_a_rejected_message_that_comes_again_before_the_broker_has_answered_is_run(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        connection = bench.broker.connections[0]
        connection.unacked[1] = (1, job("a"), 0)
        bench.driver.arrived(BrokerDelivery(job("a"), bench.driver, 1, connection, "a", exact=True))

        async def reject(delivery, outcome):
            connection.unacked[2] = connection.unacked.pop(1)
            bench.driver.arrived(BrokerDelivery(job("a"), bench.driver, 2, connection, "a", redelivered=1, exact=True))
            await asyncio.sleep(0)

        connection.reject = reject
        delivery = await bench.sink.take()
        delivery.settler.settle(delivery, Outcome(Action.REJECT, Counter.REQUEUED, True))
        answer(await bench.sink.take())
        await bench.settled()
        assert not connection.unacked


async def test_a_message_that_comes_again_while_its_copy_is_refused_is_copied_once(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        connection = bench.broker.connections[0]
        connection.unacked[1] = (1, job("a"), 0)
        bench.driver.arrived(BrokerDelivery(job("a"), bench.driver, 1, connection, "a", exact=True))
        bench.broker.refuse = "full"
        asked_again(await bench.sink.take())
        await eventually(lambda: bench.driver._settling.trouble, "trouble is told")
        connection.unacked[2] = connection.unacked.pop(1)
        bench.driver.arrived(BrokerDelivery(job("a"), bench.driver, 2, connection, "a", redelivered=1, exact=True))
        bench.broker.refuse = ""
        answer(await bench.sink.take())
        await bench.settled()
        assert bench.broker.acked == ["a", "a"] and await bench.sink.quiet()


async def test_a_copy_that_is_kept_is_not_made_again_for_a_receipt_that_was_lost(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a")])
        delivery = await bench.sink.take()
        connection = bench.broker.connections[0]

        copies = []

        async def keep_copy(original, copy):
            copies.append(copy)

        async def ack(originals):
            raise ReceiptsLost("visible again", originals)

        connection.keep_copy, connection.ack = keep_copy, ack
        asked_again(delivery)
        await bench.settled()
        bench.broker.cut()
        await eventually(lambda: bench.broker.acked == ["a"], "the redelivery is acked")
        assert len(copies) == 1 and await bench.sink.quiet() and not bench.broker.queue_


class Copying:
    """A delivery whose copy is being made, and is withdrawn. `end` ends the copy, with an error or well."""

    def __init__(self, bench):
        self.bench = bench
        self.connection = bench.broker.connections[0]
        self.copies, self.acked, self.ends = [], [], asyncio.Queue()

    async def begin(self, outcome):
        await self.bench.driver.push([job("a")])
        self.original = await self.bench.sink.take()
        self.connection.keep_copy, self.connection.ack = self.keep_copy, self.ack
        self.original.settler.settle(self.original, outcome)
        await eventually(lambda: self.copies, "the copy is under way")
        self.bench.driver.withdraw(lambda one: one is self.original)

    async def keep_copy(self, original, copy):
        self.copies.append(copy)
        if (err := await self.ends.get()) is not None:
            raise err

    async def ack(self, deliveries):
        self.acked += [one.tag for one in deliveries]

    def end(self, err=None):
        self.ends.put_nowait(err)

    def comes_again(self, tag=7):
        identity = self.original.identity
        again = BrokerDelivery(job("a"), self.bench.driver, tag, self.connection, identity, redelivered=1)
        self.bench.driver.arrived(again)

    async def settled(self, acked, copies):
        await self.bench.settled()
        assert await self.bench.sink.quiet()
        assert (self.acked, len(self.copies)) == (acked, copies)
        self.connection.unacked.clear()


ASKED_AGAIN = Outcome(Action.REQUEUE, Counter.REQUEUED, True)
REJECTED = Outcome(Action.REJECT, Counter.REQUEUED, True)


@pytest.fixture(params=[ASKED_AGAIN, REJECTED], ids=["asked for again", "rejected"])
async def copying(request, tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        made = Copying(bench)
        if request.param is REJECTED:
            made.connection.reject = lambda delivery, outcome: replace_by(
                delivery, made.keep_copy(delivery, delivery.job)
            )
        await made.begin(request.param)
        yield made


async def test_a_copy_under_way_when_its_original_is_withdrawn_is_the_only_one(copying):
    copying.end()
    await copying.settled([], 1)
    copying.comes_again()
    await copying.settled([7], 1)


async def test_what_comes_again_while_its_copy_is_made_waits_for_it_and_is_acked(copying):
    copying.comes_again()
    assert not copying.acked
    copying.end()
    await copying.settled([7], 1)


async def test_what_comes_again_while_the_ack_of_its_copied_original_is_under_way_is_acked_too(copying):
    copying.comes_again(7)

    async def ack(deliveries):
        copying.acked += [one.tag for one in deliveries]
        copying.connection.ack = copying.ack
        copying.bench.driver.withdraw(lambda one: one is copying.original)
        copying.comes_again(8)

    copying.connection.ack = ack
    copying.end()
    await copying.settled([7, 8], 1)


async def test_a_copy_that_fails_is_made_for_what_came_again_meanwhile(copying):
    copying.comes_again()
    copying.end(PushRefused("full"))
    copying.end()
    await copying.settled([7], 2)


async def test_a_copy_that_fails_after_a_withdrawal_is_made_when_its_message_comes_again(copying):
    copying.end(PushRefused("full"))
    await copying.settled([], 1)
    copying.comes_again()
    copying.end()
    await copying.settled([7], 2)


async def test_a_withdrawn_message_whose_copy_met_a_lost_link_meets_its_outcome_when_it_comes_again(copying):
    bench = copying.bench
    bench.broker.cut()
    again = await bench.sink.take()
    assert again.redelivered == (2 if copying.original.outcome is REJECTED else 0)  # rejected anew, or the copy
    answer(again)
    await bench.settled()
    assert await bench.sink.quiet() and not bench.broker.queue_


async def test_a_copy_whose_confirmation_is_overtaken_by_the_loss_of_the_link_is_the_only_one(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a")])
        delivery = await bench.sink.take()
        under_way, confirmed = asyncio.Event(), asyncio.Event()

        async def keep_copy(original, copy):
            under_way.set()
            await confirmed.wait()
            for _ in range(30):  # from hand to hand
                await asyncio.sleep(0)

        bench.broker.connections[0].keep_copy = keep_copy
        asked_again(delivery)
        async with until("the copy is under way"):
            await under_way.wait()
        confirmed.set()
        bench.broker.cut()
        await eventually(lambda: bench.broker.acked == ["a"], "the redelivery is acked")
        assert await bench.sink.quiet() and not bench.broker.queue_


async def test_a_copy_that_a_lost_link_never_confirms_is_made_on_the_next_one(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a")])
        delivery = await bench.sink.take()
        under_way = asyncio.Event()

        async def keep_copy(original, copy):
            under_way.set()
            await asyncio.sleep(3600)

        bench.broker.connections[0].keep_copy = keep_copy
        asked_again(delivery)
        async with until("the copy is under way"):
            await under_way.wait()
        bench.broker.cut()
        again = await bench.sink.take()
        assert again.redelivered == 0, "it is the copy"
        answer(again)
        await bench.settled()
        assert bench.broker.acked == ["a", "a"]


async def test_a_letter_is_kept_once_when_looking_for_room_fails(tmp_path):
    class Store:
        def __init__(self):
            self.kept = []

        async def put(self, letter):
            self.kept.append(letter)

        async def size(self):
            raise DriverError("cannot tell")

    store = Store()
    await BrokerLetters(None, None).bury(store, "letter")
    assert store.kept == ["letter"]


async def test_an_auto_ack_job_that_cannot_go_back_harms_nobody_else(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        await bench.driver.push([job("a", auto_ack=True)])
        delivery = await bench.sink.take()
        delivery.returned()
        connection = bench.broker.connections[0]
        refused = []

        async def publish(jobs):
            refused.append(1)
            if len(refused) == 1:
                raise PushRefused("full")

        connection.publish = publish
        await bench.driver.pause()
        await bench.settled()
        assert len(refused) == 2 and bench.broker.connections == [connection]


async def test_what_is_done_is_not_made_a_letter_by_its_many_redeliveries(tmp_path):
    async with Bench(FakeBroker(), tmp_path) as bench:
        connection = bench.broker.connections[0]
        connection.unacked[1] = (1, job("a"), 0)
        bench.driver.arrived(BrokerDelivery(job("a"), bench.driver, 1, connection, "a", exact=True))
        answer(await bench.sink.take())
        await bench.settled()
        connection.unacked[2] = (1, job("a"), 10)
        bench.driver.arrived(BrokerDelivery(job("a"), bench.driver, 2, connection, "a", redelivered=10, exact=True))
        await bench.settled()
        assert bench.broker.acked == ["a", "a"] and not bench.broker.dead


def test_a_lease_tells_whether_its_message_was_held_already():
    leases = Leases(30.0)
    assert leases.add("a", 1) and not leases.add("a", 2) and len(leases) == 1
    leases.discard("a")
    assert leases.add("a", 3)
