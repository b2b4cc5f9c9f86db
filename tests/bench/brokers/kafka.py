"""Kafka: the driver beside aiokafka, on a broker of the run's own."""

import asyncio
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.bench.brokers import road

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from servers.kafka import Kafka

JOBS = 60_000
WARM_UP_S = 5.0
GOALS = road.Goals(
    push_ratio=0.4,
    push_rate=20_000,
    consume_ratio=0.08,
    consume_rate=30_000,
    single_rate=1_500,
    alone_ratio=0.6,
    alone_rate=1_500,
)


def measure(folder: Path) -> None:
    """One table."""
    with tempfile.TemporaryDirectory() as place:
        server = Kafka(Path(place)).start()
        try:
            _warm_up(KafkaPeer(server))
            road.measure(KafkaPeer(server), folder, GOALS, JOBS)
        finally:
            server.stop()


def _warm_up(peer: "KafkaPeer") -> None:
    """A JVM compiles what it runs often: whoever came first would meet a slower broker."""
    peer.push(JOBS)
    peer.consume(JOBS)
    peer.single(WARM_UP_S)


class KafkaPeer:
    """A Peer: idempotent, acks of all, as many in flight as it takes; its consumer commits once a fetch."""

    def __init__(self, server: Kafka) -> None:
        self._server = server
        self._address = server.address
        self._topic = f"bare-{uuid.uuid4().hex[:8]}"
        server.create_topic(self._topic)

    def setting(self) -> road.Setting:
        topic = f"bench-{uuid.uuid4().hex[:8]}"
        config = {
            "auto_create_topics_enable": True,
            "consumer_options": {"topics": [topic]},
            "group_options": {"group_id": topic},
        }
        return road.Setting("kafka", {"kafka": {"brokers": [self._address]}}, config)

    def push(self, count: int) -> float:
        return asyncio.run(self._push(count))

    def consume(self, count: int) -> float:
        return asyncio.run(self._consume(count))

    def latency(self, rate: float, seconds: float) -> list[float]:
        return asyncio.run(self._latency(rate, seconds))

    def single(self, seconds: float) -> float:
        return asyncio.run(self._single(seconds))

    async def _single(self, seconds: float) -> float:
        topic = f"{self._topic}-{uuid.uuid4().hex[:4]}"
        await asyncio.to_thread(self._server.create_topic, topic)
        async with self._producer() as producer:
            await producer.send_and_wait(topic, b"warm-up")
            count, began = 0, time.perf_counter()
            while (spent := time.perf_counter() - began) < seconds:
                await producer.send_and_wait(topic, b"x" * 64, key=b"%036d" % count)
                count += 1
            return count / spent

    async def _push(self, count: int) -> float:
        async with self._producer() as producer:
            began = time.perf_counter()
            futures = [await producer.send(self._topic, b"x" * 64, key=b"%036d" % one) for one in range(count)]
            await asyncio.gather(*futures)
            return count / (time.perf_counter() - began)

    async def _consume(self, count: int) -> float:
        async with self._consumer(self._topic) as consumer:
            began = time.perf_counter()
            while count > 0:
                found = await consumer.getmany(timeout_ms=1000, max_records=500)
                count -= sum(map(len, found.values()))
                await consumer.commit()
            return JOBS / (time.perf_counter() - began)

    async def _latency(self, rate: float, seconds: float) -> list[float]:
        topic = f"{self._topic}-{uuid.uuid4().hex[:4]}"
        await asyncio.to_thread(self._server.create_topic, topic)
        async with self._producer() as producer, self._consumer(topic) as consumer:
            count = int(rate * seconds)
            spans: list[float] = []
            sending = asyncio.create_task(self._send(producer, topic, rate, count))
            while len(spans) < count:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    now = time.perf_counter_ns()
                    spans += [(now - int(record.value[:20])) / 1e6 for record in records]
            await sending
            return spans

    async def _send(self, producer: Any, topic: str, rate: float, count: int) -> None:
        start = time.perf_counter()
        for number in range(count):
            await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
            await producer.send(topic, b"%020d" % time.perf_counter_ns() + b"x" * 44)

    def _producer(self) -> Any:
        return AIOKafkaProducer(bootstrap_servers=self._address, enable_idempotence=True, acks="all")

    def _consumer(self, topic: str) -> Any:
        return AIOKafkaConsumer(
            topic,
            bootstrap_servers=self._address,
            group_id=f"g-{uuid.uuid4().hex[:8]}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
