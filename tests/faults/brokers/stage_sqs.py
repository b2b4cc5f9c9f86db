"""A server of the SQS API. It keeps nothing over its own end: it is not killed."""

from collections.abc import Mapping
from typing import Any

from servers.sqs import REGION, Ministack, SqsServer
from stage import Stage


class SqsStage(Stage):
    driver = "sqs"
    lasting = keeps_delays = False
    publish_bytes = b"SendMessageBatch"
    confirm_bytes = b"MD5OfMessageBody"
    delivery_bytes = b"ReceiptHandle"
    ack_bytes = b"DeleteMessageBatch"

    def __init__(self, start_broker: Any, link_proxy: Any, unique_name: Any) -> None:
        self.server: SqsServer = start_broker(Ministack)
        self.queue = "work"
        self.proxy = link_proxy(self.server.port)

    def sections(self) -> Mapping[str, Any]:
        endpoint = f"http://127.0.0.1:{self.proxy.port}"
        return {"sqs": {"key": "x", "secret": "x", "region": REGION, "endpoint": endpoint}}

    def pipeline(self) -> dict[str, Any]:
        config = {
            "queue": self.queue,
            "prefetch": self.prefetch,
            "max_messages_in_flight": self.prefetch,
            "visibility_timeout": 6,
            "wait_time_seconds": 2,
        }
        return {"driver": "sqs", "config": config}


class FifoStage(SqsStage):
    """All jobs are of one group of a FIFO queue, on the run's server."""

    def __init__(self, server: SqsServer, link_proxy: Any, unique_name: Any) -> None:
        self.server = server
        self.queue = f"{unique_name('work')}.fifo"
        self.proxy = link_proxy(self.server.port)

    def pipeline(self) -> dict[str, Any]:
        made = super().pipeline()
        made["config"]["message_group_id"] = "all"
        return made
