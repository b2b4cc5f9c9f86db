"""Kafka on a real broker; each pipeline is a topic of its own, with one partition."""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
from aiokafka import AIOKafkaProducer
from harness import Abilities, Harness
from servers.kafka import Kafka

from rrjobs.drivers.kafka.config import MAX_MESSAGE_BYTES, KafkaSection
from rrjobs.runtime.section import Section


class KafkaHarness(Harness):
    driver = "kafka"
    abilities = Abilities(most_bytes=MAX_MESSAGE_BYTES)
    fixtures: ClassVar = ("kafka", "link_proxy", "unique_name")
    partitions = 1

    def __init__(self, kafka: Kafka, link_proxy: Any, unique_name: Any) -> None:
        self.server = kafka
        self.proxy = link_proxy(kafka.proxied_target, kafka.proxied_port)
        self.prefix = unique_name("topic")

    def section(self) -> Section:
        return KafkaSection(brokers=(f"127.0.0.1:{self.proxy.port}",))

    def topic(self, pipeline: str) -> str:
        return f"{self.prefix}-{pipeline}"

    def config(self, pipeline: str, prefetch: int) -> Mapping[str, Any]:
        return {**self._options(pipeline), "auto_create_topics_enable": True, "prefetch": prefetch}

    def declaration(self, pipeline: str) -> dict[str, str]:
        options = {key: orjson.dumps(value).decode() for key, value in self._options(pipeline).items()}
        return {"auto_create_topics_enable": "true", **options}

    def _options(self, pipeline: str) -> dict[str, Any]:
        return {
            "consumer_options": {"topics": [self.topic(pipeline)], "consumer_offset": {"type": "AtStart"}},
            "group_options": {"group_id": self.topic(pipeline), "session_timeout": "6s"},
        }

    async def write_foreign(self, pipeline: str, payload: bytes, headers: Mapping[str, str]) -> None:
        await self._write(pipeline, payload, [(name, value.encode()) for name, value in headers.items()])

    async def write_undecodable(self, pipeline: str, payload: bytes) -> None:
        await self._write(pipeline, payload, [("rr_job", b"\xff\xfe")])

    async def _write(self, pipeline: str, payload: bytes, headers: list[tuple[str, bytes]]) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.server.address) as producer:
            await producer.send_and_wait(self.topic(pipeline), payload, headers=headers)

    def cut(self) -> None:
        self.proxy.refuse()
        self.proxy.cut()

    def mend(self) -> None:
        self.proxy.restore()
