"""Exchanges and queues on the broker: declared, checked, counted, deleted, each refusal explained."""

import asyncio
from collections.abc import Mapping
from typing import Any

from pamqp import commands
from pamqp.base import Frame

from rrjobs.drivers.amqp.address import Address
from rrjobs.drivers.amqp.client import Client
from rrjobs.drivers.amqp.delays import SPARE_MS, DelayQueue
from rrjobs.drivers.amqp.lane import ChannelClosed, Lane
from rrjobs.drivers.amqp.plan import Plan
from rrjobs.drivers.amqp.words import refusal

REDECLARE_S = SPARE_MS / 2_000
"""A delay queue is declared anew when it was declared so long ago: its expiry begins again."""

_IN_USE = 406


class Topology:
    """What one pipeline has, through one connection. Calls raise BrokerRefused or ConnectionLost."""

    def __init__(self, client: Client, address: Address, plan: Plan, delays: dict[str, float]) -> None:
        """`delays`: queues of delays that are in use, and when they were declared; it outlives connections."""
        self.delays = delays
        self._client = client
        self._address = address
        self._plan = plan
        self._lane: Lane | None = None
        self._one = asyncio.Lock()

    async def exchange(self) -> None:
        """Make the exchange, or see that it exists."""
        plan = self._plan
        if not plan.exchange_declare:
            method = commands.Exchange.Declare(exchange=plan.exchange, passive=True)
            await self._do(method, f"use exchange {plan.exchange!r}", "create it, or leave out `declare: false`")
            return
        method = commands.Exchange.Declare(
            exchange=plan.exchange,
            exchange_type=plan.exchange_type,
            durable=plan.exchange_durable,
            auto_delete=plan.exchange_auto_delete,
        )
        await self._do(method, f"declare exchange {plan.exchange!r}")

    async def queue(self) -> None:
        """Make and bind the queue, or see that it exists."""
        plan = self._plan
        if not plan.queue_declare:
            method = commands.Queue.Declare(queue=plan.queue, passive=True)
            await self._do(method, f"use queue {plan.queue!r}", "create it, or leave out `declare: false`")
            return
        method = commands.Queue.Declare(
            queue=plan.queue,
            durable=plan.durable,
            exclusive=plan.exclusive,
            auto_delete=plan.auto_delete,
            arguments=dict(plan.arguments),
        )
        await self._do(method, f"declare queue {plan.queue!r}")
        await self._do(
            commands.Queue.Bind(queue=plan.queue, exchange=plan.exchange, routing_key=plan.routing_key),
            f"bind queue {plan.queue!r} to exchange {plan.exchange!r}",
        )

    async def delay(self, queue: DelayQueue) -> float:
        """Make the queue of a delay; the loop's time before it was declared last."""
        now = asyncio.get_running_loop().time()
        declared = self.delays.get(queue.name)
        if declared is None or now - declared > REDECLARE_S:
            await self._declare(queue.name, queue.arguments())
            self.delays[queue.name] = declared = now
        return declared

    async def dead(self) -> None:
        """Make the queue of the dead letters; one that somebody made with settings of their own will do."""
        if await self.messages(self._plan.dead_queue) is None:
            await self._declare(self._plan.dead_queue, {})

    async def messages(self, queue: str) -> int | None:
        """How many wait in a queue; None when it does not exist."""
        try:
            answer = await self._call(commands.Queue.Declare(queue=queue, passive=True))
        except ChannelClosed as err:
            if err.code == 404:
                return None
            raise refusal(err, self._address, f"look at queue {queue!r}") from err
        count: int = answer.message_count
        return count

    async def delayed(self) -> int:
        """How many wait in the delay queues that were used here."""
        total = 0
        for name in list(self.delays):
            found = await self.messages(name)
            if found is None:
                del self.delays[name]
            total += found or 0
        return total

    async def delete(self) -> None:
        """The queue with all that is in it, unless others still consume it; the configuration asked for it."""
        try:
            await self._call(commands.Queue.Delete(queue=self._plan.queue, if_unused=True))
        except ChannelClosed as err:
            if err.code != _IN_USE:
                raise refusal(err, self._address, f"delete queue {self._plan.queue!r}") from err

    async def _declare(self, name: str, arguments: Mapping[str, Any]) -> None:
        method = commands.Queue.Declare(queue=name, durable=True, arguments=dict(arguments))
        await self._do(method, f"declare queue {name!r}")

    async def _do(self, method: Frame, doing: str, hint: str = "") -> None:
        try:
            await self._call(method)
        except ChannelClosed as err:
            raise refusal(err, self._address, doing, hint) from err

    async def _call(self, method: Frame) -> Any:
        """On a lane of its own, which every refusal closes."""
        async with self._one:
            if self._lane is None or self._lane.closed is not None:
                if self._lane is not None:
                    self._client.forget(self._lane)
                self._lane = await self._client.lane(Lane)
            return await self._lane.call(method)
