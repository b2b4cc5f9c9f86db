"""Beanstalk on a real beanstalkd."""

from collections.abc import Mapping
from typing import Any, ClassVar

import greenstalk
from harness import Abilities, Harness
from servers.beanstalkd import Beanstalkd

from rrjobs.drivers.beanstalk.config import BeanstalkSection
from rrjobs.runtime.section import Section

MOST_BYTES = 1_000_000


class BeanstalkHarness(Harness):
    driver = "beanstalk"
    copy_bytes = b"put "
    confirmed_bytes = b"\r\n"
    abilities = Abilities(delay_grain_s=1.0, most_bytes=MOST_BYTES, decodes_anything=True)
    fixtures: ClassVar = ("shared_server", "link_proxy", "unique_name")

    def __init__(self, shared_server: Any, link_proxy: Any, unique_name: Any) -> None:
        self.server = shared_server(Beanstalkd, max_job_bytes=MOST_BYTES)
        self.proxy = link_proxy(self.server.port)
        self.prefix = unique_name("tube")
        self.timeout = "30s"

    def section(self) -> Section:
        return BeanstalkSection.model_validate({"addr": f"tcp://127.0.0.1:{self.proxy.port}", "timeout": self.timeout})

    def config(self, pipeline: str, prefetch: int) -> Mapping[str, Any]:
        return {"tube": f"{self.prefix}-{pipeline}", "prefetch": prefetch}

    def declaration(self, pipeline: str) -> dict[str, str]:
        return {"tube": f"{self.prefix}-{pipeline}", "reserve_timeout": "5", "prefetch": "10"}

    async def write_foreign(self, pipeline: str, payload: bytes, headers: Mapping[str, str]) -> None:
        address = ("127.0.0.1", self.server.port)
        with greenstalk.Client(address, encoding=None, use=f"{self.prefix}-{pipeline}") as client:
            client.put(payload)

    def cut(self) -> None:
        self.proxy.refuse()
        self.proxy.cut()

    def mend(self) -> None:
        self.proxy.restore()
