"""What a pipeline can do with its two connections: one consumes, one publishes.

Two, because RabbitMQ stops reading from a connection that publishes while it is low on memory or disk: acks have to
reach it then above all. A pipeline that only pushes has one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from rrjobs.drivers.amqp.address import Address
from rrjobs.drivers.amqp.client import Client
from rrjobs.drivers.amqp.consuming import ConsumeLane
from rrjobs.drivers.amqp.hops import Hops
from rrjobs.drivers.amqp.lane import ChannelClosed
from rrjobs.drivers.amqp.letters import AmqpLetters
from rrjobs.drivers.amqp.plan import Plan
from rrjobs.drivers.amqp.press import Press
from rrjobs.drivers.amqp.receiving import Receiver
from rrjobs.drivers.amqp.topology import Topology
from rrjobs.drivers.amqp.words import refusal
from rrjobs.drivers.broker.connection import Arrivals, Counts
from rrjobs.drivers.broker.copying import replace_by
from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.errors import BrokerRefused, ConnectionLost, DriverError
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Action, Outcome


@dataclass(frozen=True, slots=True)
class Facts:
    """What a connection knows of its pipeline. `patience_s` bounds the wait for a confirmation."""

    pipeline: str
    priority: int
    consumer: str
    patience_s: float


class AmqpConnection:
    """A Connection. `feed` and `press` are the same client when there is no queue."""

    def __init__(
        self, feed: Client, press: Client, address: Address, plan: Plan, facts: Facts, delays: dict[str, float]
    ) -> None:
        self._feed = feed
        self._other = press
        self._address = address
        self._plan = plan
        self._facts = facts
        self._topology = Topology(feed, address, plan, delays)
        self._press = Press(press, address, plan, self._topology, facts.patience_s)
        self._lane: ConsumeLane | None = None
        self._hops = Hops(self._press.keep, self._ack_tags)
        self._receiver = Receiver(self, facts.pipeline, plan.queue, facts.priority, self._hops)
        self._reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.letters = AmqpLetters(feed, self._press, self._topology, facts.pipeline, plan.dead_queue)
        for client in {feed, press}:
            client.lost.add_done_callback(lambda lost: self._lost(lost.result()))

    async def open(self) -> None:
        """Make what pushes need. Raises BrokerRefused, ConnectionLost."""
        await self._topology.exchange()
        await self._press.open()

    async def publish(self, jobs: Sequence[Job]) -> None:
        """See Connection."""
        await self._press.push(jobs)

    async def consume(self, arrivals: Arrivals) -> None:
        """See Connection. Raises BrokerRefused when there is no queue, or it cannot be had."""
        plan = self._plan
        if not plan.queue:
            raise BrokerRefused("empty queue name, consider adding the queue name to the AMQP configuration")
        self._receiver.arrivals = arrivals
        await self._topology.queue()
        if self._lane is None:
            self._lane = await self._feed.lane(ConsumeLane)
            self._lane.on_closed = self._lane_closed
        try:
            await self._lane.consume(plan.queue, self._facts.consumer, plan.prefetch, self._receiver.receive)
        except ChannelClosed as err:
            raise refusal(err, self._address, f"consume queue {plan.queue!r}") from err

    async def cease(self) -> None:
        """See Connection."""
        if self._lane is not None:
            await self._lane.cease()

    async def ack(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """See Connection. What is a dead letter is rejected where the queue has a place for it of its own."""
        lane = self._live()
        if self._plan.dead_letters_itself:
            dead = [one for one in deliveries if _is_dead(one)]
            deliveries = [one for one in deliveries if not _is_dead(one)]
            lane.nack([_tag(one) for one in dead], requeue=False)
            for one in dead:
                _may_come_back(one)
        lane.ack([_tag(one) for one in deliveries])

    async def give_back(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """See Connection."""
        tags = [_tag(one) for one in deliveries]
        self._live().nack(tags, requeue=True, last_first=not self._plan.quorum)

    async def reject(self, delivery: BrokerDelivery, outcome: Outcome) -> None:
        """See Connection. A quorum queue counts redeliveries; in a classic one only a copy can tell its attempt."""
        if not outcome.redeliver:
            self._live().nack((_tag(delivery),), requeue=False)
            _may_come_back(delivery)
        elif self._plan.quorum and not outcome.delay_s:
            self._live().nack((_tag(delivery),), requeue=True)
        else:
            copy = delivery.job.again(outcome.delay_s, outcome.headers)
            await replace_by(delivery, self.keep_copy(delivery, copy))

    async def keep_copy(self, delivery: BrokerDelivery, copy: Job) -> None:
        """See Connection."""
        await self._press.keep(copy)

    async def lost(self) -> str:
        """See Connection."""
        hopping = asyncio.get_running_loop().create_task(self._hops.run(), name=f"hops {self._facts.pipeline}")
        try:
            await asyncio.wait((hopping, self._reason), return_when=asyncio.FIRST_COMPLETED)
            if self._reason.done():
                return self._reason.result()
            return str(hopping.exception())
        finally:
            hopping.cancel()
            await asyncio.wait((hopping,))

    async def counts(self) -> Counts:
        """See Connection. Of the delayed ones those that this server has delayed."""
        if not self._plan.queue:
            return Counts()
        waiting = await self._topology.messages(self._plan.queue)
        delayed = await self._topology.delayed()
        return Counts(waiting or 0, delayed, len(self._lane.unsettled) if self._lane else 0)

    async def close(self) -> None:
        """See Connection."""
        self._lost("closed")
        await self._feed.close()
        await self._other.close()

    async def delete_queue(self) -> None:
        """As the configuration asks, when the pipeline ends. Raises DriverError."""
        if self._plan.delete_on_stop and self._plan.queue:
            await self._topology.delete()

    def _ack_tags(self, tags: Sequence[int]) -> None:
        self._live().ack(tags)

    def _live(self) -> ConsumeLane:
        if self._lane is None or self._lane.closed is not None:
            raise ConnectionLost(self._reason.result() if self._reason.done() else "the channel is closed")
        return self._lane

    def _lane_closed(self, err: DriverError) -> None:
        if isinstance(err, ChannelClosed):
            self._lost(str(refusal(err, self._address, f"consume queue {self._plan.queue!r}")))
        else:
            self._lost(str(err))

    def _lost(self, reason: str) -> None:
        if not self._reason.done():
            self._reason.set_result(reason)


def _tag(delivery: BrokerDelivery) -> int:
    assert isinstance(delivery.tag, int)
    return delivery.tag


def _may_come_back(delivery: BrokerDelivery) -> None:
    """By way of the queue's own dead letters: under its old name it is to be run again."""
    delivery.exact = False


def _is_dead(delivery: BrokerDelivery) -> bool:
    return delivery.outcome is not None and delivery.outcome.action is Action.DEAD
