"""SQS: the driver beside aiobotocore, on a server of the run's own, which both have to share the machine with."""

import asyncio
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from tests.bench.brokers import road

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from servers.sqs import CREDENTIALS, REGION, Ministack

JOBS = 4_000
IN_FLIGHT = 200
REQUESTS = road.BATCH // 10
RECEIVERS = 6
RATE = 50
GOALS = road.Goals(push_ratio=0.6, push_rate=1_880, consume_ratio=0.6, consume_rate=1_300, both_rate=458)


def measure(folder: Path) -> None:
    """One table."""
    with tempfile.TemporaryDirectory() as place:
        server = Ministack(Path(place)).start()
        try:
            road.measure(SqsPeer(server.endpoint), folder, GOALS, JOBS, RATE)
        finally:
            server.stop()


class SqsPeer:
    """A Peer: batches of ten, as many requests at once as the driver makes."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._queue = f"bare-{uuid.uuid4().hex[:8]}"

    def setting(self) -> road.Setting:
        queue = f"bench-{uuid.uuid4().hex[:8]}"
        config = {
            "queue": queue,
            "prefetch": 10,
            "max_messages_in_flight": IN_FLIGHT,
            "wait_time_seconds": 1,
            "visibility_timeout": 120,
        }
        section = {"key": "x", "secret": "x", "region": REGION, "endpoint": self._endpoint}
        return road.Setting("sqs", {"sqs": section}, config)

    def push(self, count: int) -> float:
        return asyncio.run(self._push(count))

    def consume(self, count: int) -> float:
        return asyncio.run(self._consume(count))

    def latency(self, rate: float, seconds: float) -> list[float]:
        return asyncio.run(self._latency(rate, seconds))

    def single(self, seconds: float) -> float:
        return asyncio.run(self._single(seconds))

    def _client(self) -> Any:
        config = AioConfig(max_pool_connections=50, parameter_validation=False)
        return get_session().create_client(
            "sqs", endpoint_url=self._endpoint, region_name=REGION, config=config, **CREDENTIALS
        )

    async def _push(self, count: int) -> float:
        async with self._client() as client:
            url = (await client.create_queue(QueueName=self._queue))["QueueUrl"]
            entries = [{"Id": str(number), "MessageBody": "x" * 64} for number in range(10)]
            began = time.perf_counter()
            for _ in range(count // road.BATCH):
                await asyncio.gather(
                    *[client.send_message_batch(QueueUrl=url, Entries=entries) for _ in range(REQUESTS)]
                )
            return count / (time.perf_counter() - began)

    async def _single(self, seconds: float) -> float:
        async with self._client() as client:
            url = (await client.create_queue(QueueName=f"{self._queue}-single"))["QueueUrl"]
            count, began = 0, time.perf_counter()
            while (spent := time.perf_counter() - began) < seconds:
                await client.send_message(QueueUrl=url, MessageBody="x" * 64)
                count += 1
            return count / spent

    async def _consume(self, count: int) -> float:
        async with self._client() as client:
            url = (await client.get_queue_url(QueueName=self._queue))["QueueUrl"]
            left = count
            began = time.perf_counter()

            async def receive() -> None:
                nonlocal left
                while left > 0 and (messages := await _received(client, url, 0)):
                    left -= len(messages)
                    await _deleted(client, url, messages)

            while left > 0:
                await asyncio.gather(*[receive() for _ in range(RECEIVERS)])
            return count / (time.perf_counter() - began)

    async def _latency(self, rate: float, seconds: float) -> list[float]:
        async with self._client() as client:
            url = (await client.create_queue(QueueName=f"{self._queue}-latency"))["QueueUrl"]
            spans: list[float] = []
            count = int(rate * seconds)

            async def receive() -> None:
                while len(spans) < count:
                    messages = await _received(client, url, 1)
                    now = time.perf_counter_ns()
                    spans.extend((now - int(message["Body"][:20])) / 1e6 for message in messages)
                    if messages:
                        await _deleted(client, url, messages)

            async def send(at: float) -> None:
                await asyncio.sleep(max(0.0, at - time.perf_counter()))
                await client.send_message(QueueUrl=url, MessageBody=f"{time.perf_counter_ns():020d}" + "x" * 44)

            start = time.perf_counter()
            await asyncio.gather(receive(), *[send(start + number / rate) for number in range(count)])
            return spans


async def _received(client: Any, url: str, wait_s: int) -> list[dict[str, Any]]:
    answer = await client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s, VisibilityTimeout=120
    )
    messages: list[dict[str, Any]] = answer.get("Messages") or []
    return messages


async def _deleted(client: Any, url: str, messages: list[dict[str, Any]]) -> None:
    entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(messages)]
    await client.delete_message_batch(QueueUrl=url, Entries=entries)
