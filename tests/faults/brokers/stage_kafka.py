"""One Kafka broker, behind a proxy that it advertises."""

from collections.abc import Mapping
from typing import Any

from servers.kafka import Kafka
from stage import Stage


class KafkaStage(Stage):
    driver = "kafka"
    publish_bytes = b"rr_pipeline"
    confirm_bytes = b"\x00\x04work\x00\x00\x00\x01"
    """The topic in a response."""

    def __init__(self, start_broker: Any, link_proxy: Any, unique_name: Any) -> None:
        self.server = start_broker(Kafka)
        self.server.create_topic("work", 2)
        self.proxy = link_proxy(self.server.proxied_target, self.server.proxied_port)

    def sections(self) -> Mapping[str, Any]:
        return {"kafka": {"brokers": [f"127.0.0.1:{self.proxy.port}"], "ping": {"timeout": "2s"}}}

    def pipeline(self) -> dict[str, Any]:
        config = {
            "prefetch": self.prefetch,
            "producer_options": {"request_timeout": "3s"},
            "consumer_options": {"topics": ["work"]},
            "group_options": {"group_id": "work", "session_timeout": "6s"},
        }
        return {"driver": "kafka", "config": config}
