"""NATS JetStream on a real server."""

from collections.abc import Mapping
from typing import Any, ClassVar

import nats as client
import orjson
from harness import Abilities, Harness

from rrjobs.drivers.nats.config import NatsSection
from rrjobs.runtime.section import Section


class NatsHarness(Harness):
    driver = "nats"
    abilities = Abilities(most_bytes=1_048_576, returns_in_order=False)
    copy_bytes = b"PUB _rrdelayed."
    confirmed_bytes = b"}\r\n"
    fixtures: ClassVar = ("nats", "link_proxy", "unique_name")

    def __init__(self, nats: Any, link_proxy: Any, unique_name: Any) -> None:
        self.server = nats
        self.proxy = link_proxy(nats.port)
        self.prefix = unique_name("s")

    def section(self) -> Section:
        return NatsSection(addr=f"nats://127.0.0.1:{self.proxy.port}")

    def config(self, pipeline: str, prefetch: int) -> Mapping[str, Any]:
        options = {"prefetch": prefetch, "ack_wait": self.lease_s}
        return {"stream": self.prefix, "subject": f"{self.prefix}.{pipeline}", **options}

    def declaration(self, pipeline: str) -> dict[str, str]:
        return {"stream": self.prefix, "subject": f"{self.prefix}.{pipeline}", "prefetch": "10", "ack_wait": "30"}

    async def write_foreign(self, pipeline: str, payload: bytes, headers: Mapping[str, str]) -> None:
        nc = await client.connect(self.server.uri)
        await nc.jetstream().publish(f"{self.prefix}.{pipeline}", payload, headers=dict(headers))
        await nc.close()

    async def write_undecodable(self, pipeline: str, payload: bytes) -> bytes:
        body = orjson.dumps({"job": "x", "id": "y", "payload": payload.decode() + "*"})
        await self.write_foreign(pipeline, body, {})
        return body

    def cut(self) -> None:
        self.proxy.refuse()
        self.proxy.cut()

    def mend(self) -> None:
        self.proxy.restore()
