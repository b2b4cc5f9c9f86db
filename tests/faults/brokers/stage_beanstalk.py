"""beanstalkd with a log that is synced at every job."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from servers.beanstalkd import Beanstalkd
from stage import Stage


class BeanstalkStage(Stage):
    driver = "beanstalk"
    publish_bytes = b"put "
    confirm_bytes = b"INSERTED "
    delivery_bytes = b"RESERVED "
    ack_bytes = b"delete "

    def __init__(self, start_broker: Any, link_proxy: Any, unique_name: Any) -> None:
        self.server = start_broker(Beanstalkd)
        self.proxy = link_proxy(self.server.port)

    def sections(self) -> Mapping[str, Any]:
        return {"beanstalk": {"addr": f"tcp://127.0.0.1:{self.proxy.port}", "timeout": "5s"}}

    def pipeline(self) -> dict[str, Any]:
        return {"driver": "beanstalk", "config": {"tube": "work", "prefetch": self.prefetch}}

    def block_log(self) -> Path:
        """As on a full disk, the next file of the log cannot be made: a folder has its name. Remove it to make room."""
        last = max(int(path.suffix[1:]) for path in self.server.directory.glob("binlog.*"))
        barrier = self.server.directory / f"binlog.{last + 1}"
        barrier.mkdir()
        return barrier
