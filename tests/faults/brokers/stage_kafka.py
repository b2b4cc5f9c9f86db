"""The run's Kafka, which comes to life again for the next test, behind a proxy that it advertises."""

from collections.abc import Mapping
from typing import Any

from servers.kafka import Kafka
from stage import Stage


class KafkaStage(Stage):
    driver = "kafka"
    fixtures = ("kafka", "link_proxy", "unique_name")
    publish_bytes = b"rr_pipeline"
    delivery_bytes = publish_bytes

    def __init__(self, kafka: Kafka, link_proxy: Any, unique_name: Any) -> None:
        self.server = kafka
        self.topic = unique_name("work")
        self.server.create_topic(self.topic, 2)
        self.proxy = link_proxy(kafka.proxied_target, kafka.proxied_port)
        self.confirm_bytes = len(self.topic).to_bytes(2, "big") + self.topic.encode() + b"\0\0\0\x01"
        self.ack_bytes = b"\xff" * 8 + b"\0\0\0\x01" + self.confirm_bytes[:-4]  # OffsetCommit: no time, one topic

    def sections(self) -> Mapping[str, Any]:
        return {"kafka": {"brokers": [f"127.0.0.1:{self.proxy.port}"], "ping": {"timeout": "2s"}}}

    def pipeline(self) -> dict[str, Any]:
        config = {
            "prefetch": self.prefetch,
            "producer_options": {"request_timeout": "3s"},
            "consumer_options": {"topics": [self.topic]},
            "group_options": {"group_id": self.topic, "session_timeout": "6s"},
        }
        return {"driver": "kafka", "config": config}
