"""The AMQP driver on RabbitMQ, through a proxy that can cut its links."""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiormq
from harness import Abilities, Harness
from pamqp.commands import Basic
from servers.link_proxy import LinkProxy
from servers.rabbitmq import RabbitMQ

from rrjobs.drivers.amqp.section import AmqpSection


class AmqpHarness(Harness):
    driver = "amqp"
    copy_bytes = b"\x00\x3c\x00\x28"  # Basic.Publish
    confirmed_bytes = b"\x00\xce"  # not of several, end of frame
    fixtures = ("rabbitmq", "unique_name")
    abilities = Abilities(delay_grain_s=0.1)

    def __init__(self, rabbitmq: RabbitMQ, unique_name: Any) -> None:
        self.rabbitmq = rabbitmq
        self.prefix = unique_name("amqp")
        self.proxy = LinkProxy(rabbitmq.port)
        self.queues: set[str] = set()

    async def up(self) -> None:
        await asyncio.to_thread(self.proxy.__enter__)

    async def down(self) -> None:
        await asyncio.to_thread(self.proxy.__exit__)
        async with aiormq.connect(self.rabbitmq.uri()) as connection:
            channel = await connection.channel()
            for queue in self.queues:
                await channel.queue_delete(queue)
                await channel.queue_delete(f"{queue}.dead")
            await channel.exchange_delete(self.exchange)

    def section(self) -> AmqpSection:
        return AmqpSection(addr=self.rabbitmq.uri(port=self.proxy.port))

    @property
    def exchange(self) -> str:
        return f"{self.prefix}-exchange"

    def queue(self, pipeline: str) -> str:
        name = f"{self.prefix}-{pipeline}"
        self.queues.add(name)
        return name

    def config(self, pipeline: str, prefetch: int) -> Mapping[str, Any]:
        queue = self.queue(pipeline)
        return {
            "queue": queue,
            "routing_key": queue,
            "exchange": self.exchange,
            "durable": True,
            "prefetch": prefetch,
        }

    def declaration(self, pipeline: str) -> dict[str, str]:
        queue = self.queue(pipeline)
        return {"queue": queue, "routing_key": queue, "exchange": self.exchange, "durable": "true", "prefetch": "10"}

    async def write_foreign(self, pipeline: str, payload: bytes, headers: Mapping[str, str]) -> None:
        await self.publish(pipeline, payload, dict(headers))

    async def write_undecodable(self, pipeline: str, payload: bytes) -> None:
        await self.publish(pipeline, payload, {"rr_id": "1", "rr_job": "Job", "rr_headers": bytearray(b"{no json")})

    async def publish(self, pipeline: str, payload: bytes, headers: dict[str, Any]) -> None:
        async with aiormq.connect(self.rabbitmq.uri()) as connection:
            channel = await connection.channel()
            properties = Basic.Properties(headers=headers, delivery_mode=2, message_id="theirs")
            await channel.basic_publish(payload, routing_key=self.queue(pipeline), properties=properties)

    def cut(self) -> None:
        self.proxy.refuse()
        self.proxy.cut()

    def mend(self) -> None:
        self.proxy.restore()
