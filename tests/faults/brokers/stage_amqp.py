"""RabbitMQ with a durable queue."""

from collections.abc import Mapping
from typing import Any

from servers.rabbitmq import RabbitMQ
from stage import Stage


class AmqpStage(Stage):
    driver = "amqp"
    keeps_delays = False  # the broker moves what has waited from queue to queue, and confirms that to nobody
    fixtures = ("rabbitmq", "link_proxy", "unique_name")
    publish_bytes = b"\x00\x3c\x00\x28"  # Basic.Publish
    confirm_bytes = b"\x00\x3c\x00\x50"  # Basic.Ack
    delivery_bytes = b"\x00\x3c\x00\x3c"  # Basic.Deliver
    ack_bytes = confirm_bytes

    def __init__(self, rabbitmq: RabbitMQ, link_proxy: Any, unique_name: Any) -> None:
        self.server = rabbitmq
        self.login = "guest:guest"
        self.queue = unique_name("work")
        self.proxy = link_proxy(self.server.port)

    def sections(self) -> Mapping[str, Any]:
        return {"amqp": {"addr": f"amqp://{self.login}@127.0.0.1:{self.proxy.port}/?heartbeat=2"}}

    def pipeline(self) -> dict[str, Any]:
        config = {
            "queue": self.queue,
            "routing_key": self.queue,
            "exchange": "jobs",
            "exchange_durable": True,
            "durable": True,
            "prefetch": self.prefetch,
        }
        return {"driver": "amqp", "config": config}
