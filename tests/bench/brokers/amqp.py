"""RabbitMQ: the driver beside aiormq, on a server of the run's own."""

import asyncio
import sys
import tempfile
import time
import uuid
from pathlib import Path

import aiormq
from pamqp.commands import Basic

from tests.bench.brokers import road

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from servers.rabbitmq import RabbitMQ

JOBS = 20_000
PREFETCH = 200
GOALS = road.Goals(push_ratio=0.6, push_rate=4_500, consume_ratio=0.6, consume_rate=9_500, alone_rate=1_200)
PERSISTENT = Basic.Properties(delivery_mode=2)


def measure(folder: Path) -> None:
    """One table."""
    with tempfile.TemporaryDirectory() as place:
        server = RabbitMQ(Path(place)).start()
        try:
            road.measure(AmqpPeer(server.uri()), folder, GOALS, JOBS)
        finally:
            server.stop()


class AmqpPeer:
    """A Peer. Its queue keeps what `push` put in, for `consume`."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._queue = f"bare-{uuid.uuid4().hex[:8]}"

    def setting(self) -> road.Setting:
        queue = f"bench-{uuid.uuid4().hex[:8]}"
        config = {"queue": queue, "routing_key": queue, "exchange": "bench", "durable": True, "prefetch": PREFETCH}
        return road.Setting("amqp", {"amqp": {"addr": self._uri}}, config)

    def push(self, count: int) -> float:
        return asyncio.run(self._push(count))

    def consume(self, count: int) -> float:
        return asyncio.run(self._consume(count))

    def latency(self, rate: float, seconds: float) -> list[float]:
        return asyncio.run(self._latency(rate, seconds))

    def single(self, seconds: float) -> float:
        return asyncio.run(self._single(seconds))

    async def _push(self, count: int) -> float:
        async with aiormq.connect(self._uri) as connection:
            channel = await connection.channel()
            await channel.queue_declare(self._queue, durable=True)
            began = time.perf_counter()
            for _ in range(count // road.BATCH):
                await asyncio.gather(*[self._published(channel, b"x" * 64) for _ in range(road.BATCH)])
            return count / (time.perf_counter() - began)

    async def _single(self, seconds: float) -> float:
        async with aiormq.connect(self._uri) as connection:
            channel, queue = await connection.channel(), f"{self._queue}-single"
            await channel.queue_declare(queue, durable=True)
            count, began = 0, time.perf_counter()
            while (spent := time.perf_counter() - began) < seconds:
                await channel.basic_publish(b"x" * 64, routing_key=queue, properties=PERSISTENT)
                count += 1
            await channel.queue_delete(queue)
            return count / spent

    def _published(self, channel: aiormq.abc.AbstractChannel, body: bytes) -> object:
        return channel.basic_publish(body, routing_key=self._queue, properties=PERSISTENT)

    async def _consume(self, count: int) -> float:
        async with aiormq.connect(self._uri) as connection:
            channel = await connection.channel(publisher_confirms=False)
            await channel.basic_qos(prefetch_count=PREFETCH)
            left = count
            done = asyncio.Event()

            async def received(message: aiormq.abc.DeliveredMessage) -> None:
                nonlocal left
                await channel.basic_ack(message.delivery_tag or 0, wait=False)
                left -= 1
                if not left:
                    done.set()

            began = time.perf_counter()
            await channel.basic_consume(self._queue, received)
            await done.wait()
            return count / (time.perf_counter() - began)

    async def _latency(self, rate: float, seconds: float) -> list[float]:
        async with aiormq.connect(self._uri) as publishing, aiormq.connect(self._uri) as consuming:
            channel, other = await publishing.channel(), await consuming.channel(publisher_confirms=False)
            queue = f"{self._queue}-latency"
            await channel.queue_declare(queue, durable=True)
            spans: list[float] = []
            count = int(rate * seconds)
            everything = asyncio.Event()

            async def received(message: aiormq.abc.DeliveredMessage) -> None:
                spans.append((time.perf_counter_ns() - int(message.body[:20])) / 1e6)
                await other.basic_ack(message.delivery_tag or 0, wait=False)
                if len(spans) == count:
                    everything.set()

            await other.basic_consume(queue, received)
            start = time.perf_counter()
            for number in range(count):
                await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
                body = b"%020d" % time.perf_counter_ns() + b"x" * 44
                await channel.basic_publish(body, routing_key=queue, properties=PERSISTENT)
            await everything.wait()
            return spans
