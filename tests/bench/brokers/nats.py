"""NATS JetStream: the driver beside nats-py, on a server of the run's own."""

import asyncio
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import nats
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from tests.bench.brokers import road

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from servers.nats import Nats

JOBS = 20_000
PREFETCH = 200
GOALS = road.Goals(
    push_ratio=0.6,
    push_rate=5_400,
    consume_ratio=None,
    consume_rate=6_000,
    both_rate=3_600,
    single_rate=2_100,
    alone_rate=2_100,
)


def measure(folder: Path) -> None:
    """One table."""
    with tempfile.TemporaryDirectory() as place:
        server = Nats(Path(place)).start()
        try:
            road.measure(NatsPeer(server.uri), folder, GOALS, JOBS)
        finally:
            server.stop()


class NatsPeer:
    """A Peer: publishes gathered, pulls of as many as are gathered, one ack for each."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._name = f"bare-{uuid.uuid4().hex[:8]}"

    def setting(self) -> road.Setting:
        name = f"bench-{uuid.uuid4().hex[:8]}"
        config = {"stream": name, "subject": name, "prefetch": PREFETCH}
        return road.Setting("nats", {"nats": {"addr": self._uri}}, config)

    def push(self, count: int) -> float:
        return asyncio.run(self._push(count))

    def consume(self, count: int) -> float:
        return asyncio.run(self._consume(count))

    def latency(self, rate: float, seconds: float) -> list[float]:
        return asyncio.run(self._latency(rate, seconds))

    def single(self, seconds: float) -> float:
        return asyncio.run(self._single(seconds))

    async def _push(self, count: int) -> float:
        async with await nats.connect(self._uri) as client:
            stream = await _stream(client, self._name)
            began = time.perf_counter()
            for _ in range(count // road.BATCH):
                await asyncio.gather(*[stream.publish(self._name, b"x" * 64) for _ in range(road.BATCH)])
            return count / (time.perf_counter() - began)

    async def _single(self, seconds: float) -> float:
        async with await nats.connect(self._uri) as client:
            name = f"{self._name}-single"
            stream = await _stream(client, name)
            count, began = 0, time.perf_counter()
            while (spent := time.perf_counter() - began) < seconds:
                await stream.publish(name, b"x" * 64)
                count += 1
            return count / spent

    async def _consume(self, count: int) -> float:
        async with await nats.connect(self._uri) as client:
            puller = await client.jetstream().pull_subscribe(self._name, "bare", self._name)
            left = count
            began = time.perf_counter()
            while left:
                for message in await puller.fetch(min(left, PREFETCH), timeout=10):
                    await message.ack()
                    left -= 1
            await client.flush()
            return count / (time.perf_counter() - began)

    async def _latency(self, rate: float, seconds: float) -> list[float]:
        async with await nats.connect(self._uri) as client, await nats.connect(self._uri) as other:
            name = f"{self._name}-latency"
            stream = await _stream(client, name)
            spans: list[float] = []
            count = int(rate * seconds)
            everything = asyncio.Event()

            async def received(message: Msg) -> None:
                spans.append((time.perf_counter_ns() - int(message.data[:20])) / 1e6)
                await message.ack()
                if len(spans) == count:
                    everything.set()

            await other.jetstream().subscribe(name, durable="bare", stream=name, cb=received, manual_ack=True)
            start = time.perf_counter()
            for number in range(count):
                await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
                await stream.publish(name, b"%020d" % time.perf_counter_ns() + b"x" * 44)
            await everything.wait()
            return spans


async def _stream(client: Any, name: str) -> JetStreamContext:
    stream: JetStreamContext = client.jetstream(publish_async_max_pending=road.BATCH)
    await stream.add_stream(name=name, subjects=[name])
    return stream
