"""A job that a broker delivered.

arrived --offered--> queued --> running --settle--> decided --carried out--> gone
                       |           |                   |
     connection lost:  gone      stays              remembered until its redelivery is met with the same outcome
"""

from typing import Protocol

from rrjobs.pipeline.delivery import JobDelivery, Settler
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Outcome

WITHDRAWN = object()
"""The `connection` of a delivery whose receipt is of no use any more, although its connection lives."""


class Beginner(Protocol):
    """Told when an `auto_ack` job begins: that is when it is acked."""

    def begun(self, delivery: "BrokerDelivery") -> None: ...


class BrokerDelivery(JobDelivery):
    """`tag` is the broker's handle on this receipt, of use on `connection` alone.

    `identity` names the message itself, the same at every redelivery of it. `exact`: no other message ever has it, also
    not after a broker that lost its memory counts anew; met on the connection that has the message already, it is the
    same one with a newer receipt. Where it can also name another message (AMQP's own have no ids), `repeats` is whether
    this can be a redelivery. `redelivered` counts the earlier deliveries of it that the broker knows of.
    `acked` while its outcome is open: it runs at most once, and has begun. `going_back`: it is on its way to
    the broker, unstarted or rejected, and may come again before the broker has said that it has it. `under_way`: its
    copy, letter or rejection is being made.
    """

    __slots__ = (
        "acked",
        "beginner",
        "connection",
        "exact",
        "going_back",
        "identity",
        "key",
        "outcome",
        "redelivered",
        "repeats",
        "under_way",
    )

    def __init__(
        self,
        job: Job,
        settler: Settler,
        tag: object,
        connection: object,
        identity: str,
        *,
        queue: str | None = None,
        redelivered: int = 0,
        repeats: bool = True,
        exact: bool = False,
    ) -> None:
        super().__init__(job, settler, tag, queue)
        self.connection = connection
        self.identity = identity
        self.key = identity
        self.redelivered = redelivered
        self.repeats = repeats
        self.exact = exact
        self.outcome: Outcome | None = None
        self.acked = False
        self.going_back = False
        self.under_way = False
        self.beginner: Beginner | None = None

    def encode(self) -> bytes:
        """As the job; one that runs at most once is acked now."""
        if self.job.auto_ack and not self.acked and self.beginner is not None:
            self.beginner.begun(self)
        return super().encode()
