"""A broker that does anything a broker may do when the test chooses, and knows what is true of each message."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rrjobs.drivers.broker.connection import Arrivals, Counts
from rrjobs.drivers.broker.delivery import WITHDRAWN, BrokerDelivery
from rrjobs.drivers.broker.letters import HeldLetter
from rrjobs.errors import BrokerUnreachable, ConnectionLost, DriverError, PushRefused, ReceiptsLost
from rrjobs.pipeline.dead_letter import DeadLetter
from rrjobs.pipeline.history import history_of
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Outcome

PREFETCH = 4


@dataclass(eq=False)
class Message:
    """`settled`: as far as the broker knows. `receipt`: of its last delivery."""

    number: int
    job: Job
    junk: bool = False
    times: int = 0
    receipt: int = 0
    settled: bool = False

    @property
    def name(self) -> str:
        """What a broker without ids of its own can tell it by."""
        return f"{self.job.id}/{history_of(self.job.headers).attempt}"


@dataclass
class Kind:
    """How a broker tells its messages and receipts."""

    lasting: bool = False
    exact: bool = False
    unique: bool = True
    takes_back: bool = False


@dataclass
class Ledger:
    """Counts by the identity of messages, and by the id of jobs. `copies`: confirmed ones, `doomed`: to be letters."""

    messages: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    extra: Counter[str] = field(default_factory=Counter)
    acked: dict[str, set[int]] = field(default_factory=dict)
    copies: Counter[str] = field(default_factory=Counter)
    doomed: set[str] = field(default_factory=set)
    final: Counter[str] = field(default_factory=Counter)
    pushed: Counter[str] = field(default_factory=Counter)


class ModelBroker:
    """`cut_at`: the next call of that name loses the connection, before or after it has had its effect."""

    name = "model"
    place = "model:1"
    queue = "q"

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.lasting_receipts = kind.lasting
        self.ledger = Ledger()
        self.waiting: deque[Message] = deque()
        self.held: dict[int, Message] = {}
        self.recent: deque[Message] = deque(maxlen=3)
        self.dead: list[DeadLetter] = []
        self.connection: ModelConnection | None = None
        self.down = False
        self.refuses = False
        self.cut_at: tuple[str, bool] | None = None
        self.loses_receipt = False
        self._serial = 0

    async def connect(self) -> "ModelConnection":
        await asyncio.sleep(0)
        if self.down:
            raise BrokerUnreachable("away")
        self.connection = ModelConnection(self)
        return self.connection

    def serial(self) -> int:
        self._serial += 1
        return self._serial

    def identity(self, message: Message) -> str:
        return f"m{message.number}" if self.kind.unique else message.name

    def keep(self, job: Job, *, junk: bool = False) -> None:
        message = Message(self.serial(), job, junk)
        self.ledger.messages[self.identity(message)] += 1
        self.ledger.ended[self.identity(message)] += junk
        if junk and self.kind.unique:
            self.ledger.doomed.add(self.identity(message))
        self.waiting.append(message)
        self.feed()

    def feed(self) -> None:
        if self.connection is not None:
            self.connection.feed()

    def take_back(self, messages: Sequence[Message]) -> None:
        """First in the queue again, in order."""
        for message in messages:
            self.held.pop(message.receipt, None)
        self.waiting.extendleft(sorted(messages, key=lambda one: -one.number))

    def settle(self, receipt: int) -> None:
        message = self.held.pop(receipt)
        message.settled = True
        self.recent.append(message)

    def cut(self) -> None:
        """The connection is lost; what ends with it is in the queue again."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.arrivals = None
            if not connection.gone.done():
                connection.gone.set_result("cut")
            if not self.kind.lasting:
                self.take_back(list(self.held.values()))

    def killed(self) -> None:
        """It is back, and does not know of its last acks; nobody has what it had given."""
        self.cut()
        forgotten = list(self.recent)
        self.recent.clear()
        for message in forgotten:
            message.settled = False
            if not (self.kind.exact or message.job.auto_ack):
                self.ledger.extra[self.identity(message)] += 1
        self.take_back([*self.held.values(), *forgotten])

    def redeliver(self) -> None:
        """It takes too long for the broker: delivered once more, with another receipt."""
        for receipt, message in list(self.held.items()):
            del self.held[receipt]
            self.waiting.appendleft(message)
            break
        self.feed()


class ModelConnection:
    def __init__(self, broker: ModelBroker) -> None:
        self.broker = broker
        self.arrivals: Arrivals | None = None
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.leaving: set[int] = set()

    @property
    def letters(self) -> "ModelConnection":
        return self

    def feed(self) -> None:
        broker = self.broker
        while self.arrivals is not None and broker.waiting and len(broker.held) < PREFETCH:
            message = broker.waiting.popleft()
            message.receipt = broker.serial()
            broker.held[message.receipt] = message
            delivery = BrokerDelivery(
                message.job,
                self.arrivals.settler,
                message.receipt,
                self,
                broker.identity(message),
                redelivered=message.times,
                repeats=message.times > 0 or broker.kind.unique,
                exact=broker.kind.exact,
            )
            message.times += 1
            if message.junk:
                self.arrivals.undecodable(delivery, "junk")
            else:
                self.arrivals.arrived(delivery)

    @asynccontextmanager
    async def call(self, name: str) -> AsyncIterator[None]:
        """One exchange with the broker, which may be cut at either end."""
        await asyncio.sleep(0)
        self.cut(name, True)
        yield
        self.cut(name, False)
        await asyncio.sleep(0)
        if self.gone.done():
            raise ConnectionLost(self.gone.result())

    def cut(self, name: str, before: bool) -> None:
        if self.broker.cut_at == (name, before):
            self.broker.cut_at = None
            self.broker.cut()
        if self.gone.done():
            raise ConnectionLost(self.gone.result())

    def receipt(self, delivery: BrokerDelivery) -> int:
        assert self.broker.kind.lasting or delivery.connection in (self, WITHDRAWN), "a receipt of another connection"
        assert isinstance(delivery.tag, int)
        return delivery.tag

    async def publish(self, jobs: Sequence[Job]) -> None:
        async with self.call("publish"):
            if self.broker.refuses:
                raise PushRefused("full")
            for job in jobs:
                self.broker.keep(job)

    async def consume(self, arrivals: Arrivals) -> None:
        async with self.call("consume"):
            self.arrivals = arrivals
            self.feed()

    async def cease(self) -> None:
        async with self.call("cease"):
            self.arrivals = None

    async def ack(self, deliveries: Sequence[BrokerDelivery]) -> None:
        broker = self.broker
        assert len(set(deliveries)) == len(deliveries), "settled twice"
        async with self.call("ack"):
            lost = []
            for delivery in deliveries:
                self.is_due(delivery)
                receipt = self.receipt(delivery)
                if receipt not in broker.held and broker.kind.takes_back:
                    delivery.connection = WITHDRAWN
                elif receipt not in broker.held:
                    assert broker.kind.exact, "an unknown receipt"
                    lost.append(delivery)
                elif broker.loses_receipt and broker.kind.exact:
                    broker.loses_receipt = False
                    lost.append(delivery)
                    broker.waiting.append(broker.held.pop(receipt))
                else:
                    broker.settle(receipt)
            broker.feed()
            if lost:
                raise ReceiptsLost("somebody else has it", lost)

    def is_due(self, delivery: BrokerDelivery) -> None:
        """Never before its outcome, and never one outcome for two messages."""
        ledger, identity = self.broker.ledger, delivery.identity
        assert delivery.outcome is not None or delivery.acked, "acked before its outcome"
        message = self.broker.held.get(self.receipt(delivery))
        if message is None:
            return
        acked = ledger.acked.setdefault(identity, set())
        acked.add(message.number)
        assert len(acked) <= ledger.ended[identity], "acked without a run"
        if identity in ledger.doomed:
            assert any(letter.id == delivery.ident for letter in self.broker.dead), "acked before its letter"

    async def give_back(self, deliveries: Sequence[BrokerDelivery]) -> None:
        async with self.call("give_back"):
            for one in deliveries:
                assert one.outcome is None and not one.acked
            receipts = [self.receipt(one) for one in deliveries]
            self.broker.take_back([self.broker.held[one] for one in receipts if one in self.broker.held])
            self.broker.feed()

    async def reject(self, delivery: BrokerDelivery, outcome: Outcome) -> None:
        if not outcome.redeliver:
            await self.ack((delivery,))
            return
        async with self.call("reject"):
            message = self.broker.held.get(self.receipt(delivery))
            came_again = any(self.broker.identity(one) == delivery.identity for one in self.broker.held.values())
            self.broker.ledger.extra[delivery.identity] += came_again  # which is what was wanted
            if message is None:
                raise ReceiptsLost("somebody else has it", (delivery,))
            self.broker.take_back([message])
            self.broker.feed()

    async def keep_copy(self, delivery: BrokerDelivery, copy: Job) -> None:
        await self.publish((copy,))
        self.broker.ledger.copies[delivery.identity] += 1

    async def lost(self) -> str:
        return await asyncio.shield(self.gone)

    async def counts(self) -> Counts:
        async with self.call("counts"):
            return Counts(len(self.broker.waiting), 0, len(self.broker.held))

    async def close(self) -> None:
        if self.broker.connection is self:
            self.broker.cut()
        await asyncio.sleep(0)

    async def put(self, letter: DeadLetter) -> None:
        async with self.call("put"):
            if self.broker.refuses:
                raise PushRefused("full")
            self.broker.dead.append(letter)

    async def size(self) -> tuple[int, int]:
        await asyncio.sleep(0)
        if self.broker.refuses:
            raise DriverError("cannot tell")
        return len(self.broker.dead), 0

    @asynccontextmanager
    async def browse(self) -> AsyncIterator[AsyncIterator[HeldLetter]]:
        async def none() -> AsyncIterator[HeldLetter]:
            for letter in ():
                yield letter

        yield none()
