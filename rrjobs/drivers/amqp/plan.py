"""What a pipeline has on the broker: its exchange, its queue, and how it consumes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """From either layout of the configuration. Without a `queue` the pipeline only pushes."""

    exchange: str
    exchange_type: str
    exchange_durable: bool
    exchange_auto_delete: bool
    exchange_declare: bool
    queue: str
    routing_key: str
    durable: bool
    auto_delete: bool
    exclusive: bool
    delete_on_stop: bool
    consumer: str
    arguments: Mapping[str, Any]
    queue_declare: bool
    prefetch: int

    @property
    def target(self) -> str:
        """What names of delay queues end with."""
        return self.queue or self.routing_key

    @property
    def dead_queue(self) -> str:
        """Where its dead letters are."""
        return f"{self.queue}.dead" if self.queue else ""

    @property
    def quorum(self) -> bool:
        """Whether the queue is replicated, and counts deliveries."""
        return self.arguments.get("x-queue-type") == "quorum"

    @property
    def dead_letters_itself(self) -> bool:
        """Whether the broker sends rejected messages on; a policy that does so is not seen here."""
        return "x-dead-letter-exchange" in self.arguments

    @property
    def max_priority(self) -> int:
        """Of the queue's own priorities, where the HIGHER number is first; 0 when it has none."""
        value = self.arguments.get("x-max-priority", 0)
        return min(value, 255) if isinstance(value, int) and value > 0 else 0

    def amqp_priority(self, priority: int) -> int | None:
        """The queue's own for a job of ours, of which the LOWER number is first."""
        most = self.max_priority
        return max(0, min(most, most + 1 - priority)) if most else None
