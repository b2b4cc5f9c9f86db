"""NATS JetStream, a current version."""

from collections.abc import Mapping
from typing import Any

from servers.nats import Nats
from stage import Stage


class NatsStage(Stage):
    driver = "nats"
    publish_bytes = b"PUB work "
    confirm_bytes = b'{"stream":"work"'
    delivery_bytes = b" $JS.ACK.work."
    ack_bytes = b"PUB $JS.ACK.work."

    def __init__(self, start_broker: Any, link_proxy: Any, unique_name: Any) -> None:
        self.server = start_broker(Nats)
        self.proxy = link_proxy(self.server.port)

    def sections(self) -> Mapping[str, Any]:
        return {"nats": {"addr": self.server.uri.replace(self.server.address, self.proxy.address)}}

    def pipeline(self) -> dict[str, Any]:
        config = {"stream": "work", "subject": "work", "prefetch": self.prefetch, "ack_wait": "3s"}
        return {"driver": "nats", "config": config}
