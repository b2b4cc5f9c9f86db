"""A broker in the test's own hands: it delivers, loses connections and redelivers when it is told to."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from rrjobs.drivers.broker.connection import Arrivals, Counts
from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.drivers.broker.letters import HeldLetter
from rrjobs.errors import BrokerUnreachable, ConnectionLost, PushRefused
from rrjobs.pipeline.dead_letter import DeadLetter
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Outcome


class FakeBroker:
    """Messages are numbered; `queue` waits, `unacked` is with a connection, `log` tells what was done to each."""

    name = "fake"
    lasting_receipts = False
    place = "fake:1"
    queue_name = "q"

    def __init__(self, prefetch: int = 10) -> None:
        self.prefetch = prefetch
        self.queue_: deque[tuple[int, Job, int]] = deque()
        self.acked: list[str] = []
        self.dead: list[DeadLetter] = []
        self.down = ""
        self.refuse = ""
        self.serial = 0
        self.connections: list[FakeConnection] = []

    @property
    def queue(self) -> str:
        return self.queue_name

    async def connect(self) -> "FakeConnection":
        await asyncio.sleep(0)
        if self.down:
            raise BrokerUnreachable(self.down)
        connection = FakeConnection(self)
        self.connections.append(connection)
        return connection

    def keep(self, job: Job) -> None:
        self.serial += 1
        self.queue_.append((self.serial, job, 0))
        self.feed()

    def feed(self) -> None:
        for connection in self.connections:
            connection.feed()

    def cut(self, reason: str = "cut") -> None:
        """Every connection is lost; what was unacked is first in the queue again."""
        for connection in list(self.connections):
            connection.break_off(reason)
        self.feed()


class FakeConnection:
    def __init__(self, broker: FakeBroker) -> None:
        self.broker = broker
        self.unacked: dict[int, tuple[int, Job, int]] = {}
        self.arrivals: Arrivals | None = None
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.settler = None

    @property
    def letters(self) -> "FakeConnection":
        return self

    def feed(self) -> None:
        while self.arrivals is not None and self.broker.queue_ and len(self.unacked) < self.broker.prefetch:
            number, job, times = entry = self.broker.queue_.popleft()
            self.unacked[number] = entry
            self.arrivals.arrived(
                BrokerDelivery(job, self.arrivals.settler, number, self, str(number), queue="q", redelivered=times)  # type: ignore[arg-type]
            )

    def break_off(self, reason: str) -> None:
        if not self.gone.done():
            self.gone.set_result(reason)
        self.release()

    def release(self) -> None:
        if self in self.broker.connections:
            self.broker.connections.remove(self)
        self.arrivals = None
        back = [(number, job, times + 1) for number, job, times in self.unacked.values()]
        self.unacked.clear()
        self.broker.queue_.extendleft(reversed(back))

    def check(self) -> None:
        if self.gone.done():
            raise ConnectionLost(self.gone.result())

    async def publish(self, jobs: Sequence[Job]) -> None:
        await asyncio.sleep(0)
        self.check()
        if self.broker.refuse:
            raise PushRefused(self.broker.refuse)
        for job in jobs:
            self.broker.keep(job)

    async def consume(self, arrivals: Arrivals) -> None:
        self.check()
        self.arrivals = arrivals
        self.feed()

    async def cease(self) -> None:
        await asyncio.sleep(0)
        self.arrivals = None

    async def ack(self, deliveries: Sequence[BrokerDelivery]) -> None:
        await asyncio.sleep(0)
        self.check()
        for one in deliveries:
            assert one.connection is self, "a receipt of another connection"
            del self.unacked[one.tag]  # type: ignore[arg-type]
            self.broker.acked.append(one.job.id)
        self.feed()

    async def give_back(self, deliveries: Sequence[BrokerDelivery]) -> None:
        await asyncio.sleep(0)
        self.check()
        for one in reversed(deliveries):
            number, job, times = self.unacked.pop(one.tag)  # type: ignore[arg-type]
            self.broker.queue_.appendleft((number, job, times + 1))
        self.broker.feed()

    async def reject(self, delivery: BrokerDelivery, outcome: Outcome) -> None:
        if outcome.redeliver:
            await self.give_back((delivery,))
        else:
            await self.ack((delivery,))

    async def keep_copy(self, delivery: BrokerDelivery, copy: Job) -> None:
        await self.publish((copy,))

    async def lost(self) -> str:
        return await asyncio.shield(self.gone)

    async def counts(self) -> Counts:
        self.check()
        return Counts(len(self.broker.queue_), 0, len(self.unacked))

    async def close(self) -> None:
        if not self.gone.done():
            self.gone.set_result("closed")
        self.release()

    async def put(self, letter: DeadLetter) -> None:
        await asyncio.sleep(0)
        self.check()
        if self.broker.refuse:
            raise PushRefused(self.broker.refuse)
        self.broker.dead.append(letter)

    async def size(self) -> tuple[int, int]:
        return len(self.broker.dead), 0

    @asynccontextmanager
    async def browse(self) -> AsyncIterator[AsyncIterator[HeldLetter]]:
        async def each() -> AsyncIterator[HeldLetter]:
            for letter in list(self.broker.dead):

                async def remove(letter: DeadLetter = letter) -> None:
                    self.broker.dead.remove(letter)

                yield HeldLetter(letter, remove)

        yield each()
