"""The half of a broker driver that only that broker knows: how to connect, and what one live connection can do."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.drivers.broker.letters import LetterStore
from rrjobs.pipeline.delivery import Settler
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Outcome


class Counts(NamedTuple):
    """What the broker tells of the queue: waiting, waiting for their time, delivered and not settled."""

    active: int = 0
    delayed: int = 0
    reserved: int = 0


Which = Callable[[BrokerDelivery], bool]
"""Of deliveries, those that a call is about."""


class Arrivals(Protocol):
    """Where a connection puts what it received; no call blocks or raises."""

    @property
    def settler(self) -> Settler:
        """Of every delivery that it makes."""
        ...

    def arrived(self, delivery: BrokerDelivery) -> None:
        """A job, in the order of the broker."""
        ...

    def undecodable(self, delivery: BrokerDelivery, reason: str) -> None:
        """A message that is no job, with what can be read of it as one: it is kept as a dead letter, then acked."""
        ...

    def drop(self, which: Which) -> Sequence[BrokerDelivery]:
        """The broker is about to take these back: those that were not begun are gone from here, and returned."""
        ...

    def withdraw(self, which: Which) -> None:
        """The broker has taken these back: their receipts are of no use. What runs goes on; should it be delivered here
        once more, it is not run again.
        """
        ...

    def hindered(self, reason: str) -> None:
        """The connection lives and delivers nothing, or not all, and will by itself once it can; "" once it does."""
        ...

    def strays(self) -> int:
        """Deliveries of earlier connections that run on here, and were not delivered again: they take room too."""
        ...

    def when_fewer(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever one of these is gone, or delivered again; it is the only one to be told."""
        ...

    def returned(self, identity: str) -> None:
        """A message that came after `cease` went back, unstarted: its redelivery is no attempt."""
        ...


class Connection(Protocol):
    """One live connection of one pipeline. Every call may raise ConnectionLost, and is bounded by its caller.

    `ack`, `give_back`, `reject` and `keep_copy` are never called twice for one delivery, nor for deliveries of another
    connection. `publish` may be called by several tasks at once.
    """

    @property
    def letters(self) -> LetterStore:
        """Where its dead letters are."""
        ...

    async def publish(self, jobs: Sequence[Job]) -> None:
        """The broker has confirmed all of them, each to be delivered once its `delay_s` is over, however long.

        Raises PushRefused with the number of jobs that were accepted. When the connection is lost in between, what is
        known of each job is lost too: raises ConnectionLost, with `sent` false when nothing was sent, so that the next
        connection may be tried. Safe to cancel: what was sent may then be accepted. It may be begun outside of a task:
        where it needs one (asyncio.timeout, a library that asks), it waits for `into_task` first.
        """
        ...

    async def consume(self, arrivals: Arrivals) -> None:
        """Begin; at most `prefetch` messages are delivered and not settled at any time."""
        ...

    async def cease(self) -> None:
        """Once this returns nothing arrives any more. What arrived stays, and can be settled."""
        ...

    async def ack(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """Done with them. Raises ReceiptsLost where the broker would not hear of some, as `keep_copy` of its one."""
        ...

    async def give_back(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """Not started: make them available again at once, in their order, without counting it where that can be."""
        ...

    async def reject(self, delivery: BrokerDelivery, outcome: Outcome) -> None:
        """The program refused it: the broker's own way, with or without redelivery (RoadRunner's nack)."""
        ...

    async def keep_copy(self, delivery: BrokerDelivery, copy: Job) -> None:
        """The broker has confirmed the copy that is to take the place of this one, which its caller acks then.

        Raises DriverError when it is not kept, ReceiptsLost when the receipt is found to be lost before: then there is
        no copy, and the redelivery meets the outcome.
        """
        ...

    async def lost(self) -> str:
        """Wait until this connection is of no more use, for whatever reason; the reason, for people."""
        ...

    async def counts(self) -> Counts:
        """Of this moment."""
        ...

    async def close(self) -> None:
        """Safe twice, and on a lost connection. What is not settled goes back to the broker."""
        ...


class Broker(Protocol):
    """How to connect. `place` names the broker in messages, without secrets: `127.0.0.1:5672/vhost`."""

    @property
    def name(self) -> str:
        """The driver's: amqp, kafka, ..."""
        ...

    @property
    def place(self) -> str: ...

    @property
    def lasting_receipts(self) -> bool:
        """Whether what one connection received can be settled on the next one: it is not delivered again at once."""
        ...

    @property
    def queue(self) -> str:
        """What `stat` shows: the queue, tube, topic."""
        ...

    async def connect(self) -> Connection:
        """Connect, authenticate, declare what the pipeline needs. Its caller bounds it; safe to cancel.

        Raises BrokerUnreachable when trying again may help, BrokerRefused when only a person can (credentials,
        permissions, a queue with other arguments), each with everything that is known in its text.
        """
        ...
