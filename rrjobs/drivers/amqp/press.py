"""Everything that is published for a pipeline: pushes, delays, copies for another run, dead letters; confirmed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from rrjobs.drivers.amqp.address import Address
from rrjobs.drivers.amqp.client import Client
from rrjobs.drivers.amqp.delays import SPARE_MS, DelayQueue, Step, delay_queue, first_step
from rrjobs.drivers.amqp.lane import ChannelClosed
from rrjobs.drivers.amqp.message import MessageIds, encode_job, routing_key_of
from rrjobs.drivers.amqp.plan import Plan
from rrjobs.drivers.amqp.publishing import Batch, Outgoing, PublishLane
from rrjobs.drivers.amqp.topology import Topology
from rrjobs.drivers.amqp.words import refusal
from rrjobs.errors import BrokerRefused, ConnectionLost, PushRefused, PushUnknown
from rrjobs.pipeline.job import Job
from rrjobs.runtime.deadlines import Deadlines

DEFAULT_EXCHANGE = ""
"""Every queue is bound to it under its own name."""

NO_LIMIT = float("inf")


class Route(NamedTuple):
    """Where a message goes; through which `delay`, which is sure to outlive it `until` that time of the loop."""

    exchange: str
    routing_key: str
    due: int = 0
    delay: DelayQueue | None = None
    until: float = NO_LIMIT


class Parcel(NamedTuple):
    """A message, and the queue that its delay needs."""

    message: Outgoing
    delay: DelayQueue | None = None
    until: float = NO_LIMIT


class Press:
    """Publishes on two lanes, so that a push which the broker rejects does not disturb what is being settled."""

    def __init__(self, client: Client, address: Address, plan: Plan, topology: Topology, patience_s: float) -> None:
        self._client = client
        self._address = address
        self._plan = plan
        self._topology = topology
        self._patience_s = patience_s
        self._limit = Deadlines(patience_s)
        self._ids = MessageIds()
        self._lanes: dict[str, PublishLane] = {}
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """The lane of the pushes. Raises ConnectionLost."""
        await self._lane("push")

    async def push(self, jobs: Sequence[Job]) -> None:
        """Through the exchange. Raises PushRefused with how many were accepted, PushUnknown, ConnectionLost."""
        if self._client.lost.done():
            raise ConnectionLost(self._client.lost.result(), sent=False)
        plan, now = self._plan, time.time()
        parcels = [
            await self._to_exchange(job, now)
            if job.delay_s > 0
            else self._parcel(job, Route(plan.exchange, routing_key_of(job, plan.routing_key)), now)
            for job in jobs
        ]
        await self._sent("push", parcels, self._make_way)

    async def keep(self, job: Job) -> None:
        """A copy into our own queue alone, whatever else is bound to the exchange. Raises DriverError."""
        route = Route(DEFAULT_EXCHANGE, self._plan.queue)
        if job.delay_s > 0:
            route = await self._delayed(first_step(job.delay_s), route, self._plan.queue)
        await self._sent("keep", [self._parcel(job, route, time.time())], self._topology.queue)

    async def letter(self, job: Job, facts: bytes) -> None:
        """A dead letter: its job, and further fields. Raises DriverError."""
        content = encode_job(job, self._ids.next(), now=time.time(), extra=facts)
        message = Outgoing(DEFAULT_EXCHANGE, self._plan.dead_queue, content, job.id)
        await self._sent("keep", [Parcel(message)], self._topology.dead)

    async def _to_exchange(self, job: Job, now: float) -> Parcel:
        plan = self._plan
        key = routing_key_of(job, plan.routing_key)
        target = plan.target if key == plan.routing_key else key
        route = await self._delayed(first_step(job.delay_s), Route(plan.exchange, key), target)
        return self._parcel(job, route, now)

    async def _delayed(self, step: Step, route: Route, target: str) -> Route:
        """By way of the queue of the step."""
        try:
            queue = delay_queue(step.wait_ms, route.exchange, route.routing_key, target)
            declared = await self._topology.delay(queue)
        except BrokerRefused as err:
            raise PushRefused(f"not accepted: {err}") from err
        due = int(time.time() * 1000) + step.wait_ms + step.left_ms if step.left_ms else 0
        until = declared + (step.wait_ms + SPARE_MS / 2) / 1000
        return Route(DEFAULT_EXCHANGE, queue.name, due, queue, until)

    def _parcel(self, job: Job, route: Route, now: float) -> Parcel:
        priority = self._plan.amqp_priority(job.priority)
        content = encode_job(job, self._ids.next(), now=now, due=route.due, amqp_priority=priority)
        return Parcel(Outgoing(route.exchange, route.routing_key, content, job.id), route.delay, route.until)

    async def _make_way(self) -> None:
        """What should take a push exists once this returns."""
        await self._topology.exchange()
        if self._plan.queue:
            await self._topology.queue()

    async def _sent(self, name: str, parcels: Sequence[Parcel], make_way: Callable[[], Awaitable[None]]) -> None:
        """Confirmed, all of them; what has no queue yet gets one and is sent once more."""
        batch = await self._published(name, [one.message for one in parcels], make_way)
        if batch.unroutable and not batch.refused:
            first = batch.unroutable
            await self._ready(make_way)
            await self._delays_again([parcels[at].delay for at in first])
            again = await self._published(name, [batch.messages[at] for at in first], make_way)
            batch.unroutable = [first[at] for at in again.unroutable]
            batch.refused = [first[at] for at in again.refused]
        if batch.failed:
            raise PushRefused(self._why(batch), accepted=len(batch.messages) - len(batch.failed))
        if asyncio.get_running_loop().time() > min(one.until for one in parcels):
            raise PushUnknown(f"unknown whether it was accepted: {self._client.place} took longer than the delay lasts")

    async def _delays_again(self, queues: Sequence[DelayQueue | None]) -> None:
        """Somebody deleted them."""
        lost = {queue.name: queue for queue in queues if queue is not None}
        for name, queue in lost.items():
            self._topology.delays.pop(name, None)
            await self._topology.delay(queue)

    async def _published(
        self, name: str, messages: Sequence[Outgoing], make_way: Callable[[], Awaitable[None]]
    ) -> Batch:
        for last in (False, True):
            await self._not_blocked()
            lane = await self._lane(name)
            await self._client.room()
            try:
                return await self._limit.within(lane.publish(messages))
            except ChannelClosed as err:
                if err.code != 404 or last:
                    raise self._rejected(err, lane, messages) from err
            except TimeoutError as err:
                raise PushUnknown(f"unknown whether it was accepted: {self._silence()}") from err
            await self._ready(make_way)
        raise AssertionError("unreachable")

    async def _ready(self, make_way: Callable[[], Awaitable[None]]) -> None:
        try:
            await make_way()
        except BrokerRefused as err:
            raise PushRefused(f"not accepted: {err}") from err

    async def _not_blocked(self) -> None:
        if not self._client.blocked:
            return
        try:
            await self._limit.within(self._client.unblocked.wait())
        except TimeoutError as err:
            raise PushRefused(f"not accepted: {self._silence()}") from err

    async def _lane(self, name: str) -> PublishLane:
        lane = self._lanes.get(name)
        if lane is not None and lane.closed is None:
            return lane
        async with self._opening:
            lane = self._lanes.get(name)
            if lane is None or lane.closed is not None:
                if lane is not None:
                    self._client.forget(lane)
                lane = self._lanes[name] = await self._client.lane(PublishLane)
        return lane

    def _silence(self) -> str:
        if self._client.blocked:
            return f"{self._client.place} takes no messages at the moment, it is {self._client.blocked}"
        return f"{self._client.place} confirmed nothing within {self._patience_s:g} s"

    def _why(self, batch: Batch) -> str:
        message = batch.messages[batch.failed[0]]
        where = f"exchange {message.exchange!r} with routing key {message.routing_key!r} on {self._client.place}"
        if batch.refused:
            return f"not accepted: the broker refused what goes to {where}: the queue is full, or has failed"
        return f"not accepted: no queue is bound to {where}"

    def _rejected(self, err: ChannelClosed, lane: PublishLane, messages: Sequence[Outgoing]) -> PushRefused:
        """A closed lane says nothing about the others that waited on it."""
        text = refusal(err, self._address, f"publish to exchange {messages[0].exchange!r}")
        if lane.was_alone and len(messages) == 1:
            return PushRefused(f"not accepted: {text}")
        return PushUnknown(f"unknown whether it was accepted: {text}")
