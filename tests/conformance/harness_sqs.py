"""SQS on a real server of its API."""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
from aiobotocore.session import get_session
from harness import Abilities, Harness
from servers.sqs import CREDENTIALS, REGION

from rrjobs.drivers.sqs.config import SqsSection
from rrjobs.runtime.section import Section

MOST_BYTES = 1_048_576


class SqsHarness(Harness):
    driver = "sqs"
    copy_bytes = b"AmazonSQS.SendMessage"
    confirmed_bytes = b'"Failed": []}'
    abilities = Abilities(ordered=False, most_bytes=MOST_BYTES, returns_in_order=False)
    fixtures: ClassVar = ("ministack", "link_proxy", "unique_name")

    def __init__(self, ministack: Any, link_proxy: Any, unique_name: Any) -> None:
        self.server = ministack
        self.proxy = link_proxy(ministack.port)
        self.prefix = unique_name("q")

    def queue(self, pipeline: str) -> str:
        return f"{self.prefix}-{pipeline}"

    def section(self) -> Section:
        return SqsSection(key="x", secret="x", region=REGION, endpoint=f"http://127.0.0.1:{self.proxy.port}")

    def config(self, pipeline: str, prefetch: int) -> Mapping[str, Any]:
        return {
            "queue": self.queue(pipeline),
            "prefetch": min(10, prefetch),
            "max_messages_in_flight": prefetch,
            "wait_time_seconds": 1,
            "visibility_timeout": self.lease_s,
        }

    def declaration(self, pipeline: str) -> dict[str, str]:
        return {
            "queue": self.queue(pipeline),
            "prefetch": "10",
            "wait_time": "1",
            "visibility_timeout": "30",
            "attributes": orjson.dumps({"MessageRetentionPeriod": 3600}).decode(),
            "tags": "[]",
        }

    async def write_foreign(self, pipeline: str, payload: bytes, headers: Mapping[str, str]) -> None:
        await self._send(pipeline, payload, {name: _text(value) for name, value in headers.items()})

    async def write_undecodable(self, pipeline: str, payload: bytes) -> None:
        headers = {"DataType": "Binary", "BinaryValue": b"{no json"}
        await self._send(pipeline, payload, {"rr_id": _text("broken"), "rr_headers": headers})

    async def _send(self, pipeline: str, payload: bytes, attributes: Mapping[str, Any]) -> None:
        made = get_session().create_client("sqs", endpoint_url=self.server.endpoint, region_name=REGION, **CREDENTIALS)
        async with made as client:
            url = (await client.get_queue_url(QueueName=self.queue(pipeline)))["QueueUrl"]
            await client.send_message(QueueUrl=url, MessageBody=payload.decode(), MessageAttributes=attributes)

    def cut(self) -> None:
        self.proxy.refuse()
        self.proxy.cut()

    def mend(self) -> None:
        self.proxy.restore()


def _text(value: str) -> Mapping[str, str]:
    return {"DataType": "String", "StringValue": value}
