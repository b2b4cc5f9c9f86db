"""A pipeline's view of the cluster while it can be reached: see Connection."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import aiokafka.errors as errors

from rrjobs.drivers.broker.connection import Arrivals, Counts
from rrjobs.drivers.broker.copying import replace_by
from rrjobs.drivers.broker.delivery import WITHDRAWN, BrokerDelivery
from rrjobs.drivers.kafka.client import said
from rrjobs.drivers.kafka.clients import Clients
from rrjobs.drivers.kafka.commits import Fenced
from rrjobs.drivers.kafka.delivery import KafkaDelivery, Receipt
from rrjobs.drivers.kafka.ordering import Gate, by_key, by_partition
from rrjobs.drivers.kafka.record import decode_record
from rrjobs.drivers.kafka.window import Window
from rrjobs.errors import ConnectionLost, DriverError
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Outcome
from rrjobs.runtime.tasks import Tasks

T = TypeVar("T")

WATCH_S = 1.0
"""Between two looks whether the cluster still answers."""


class KafkaConnection:
    """Made by KafkaBroker, on clients that outlive it."""

    def __init__(self, clients: Clients, pipeline: str, priority: int) -> None:
        self.letters = clients.letters
        self._clients = clients
        self._pipeline = pipeline
        self._priority = priority
        self._gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._arrivals: Arrivals | None = None
        self._gate: Gate | None = None
        self._tasks = Tasks(lambda err: self._lost(f"{type(err).__name__}: {err}"))
        self._tasks.start(self._watch())
        if (reader := clients.reader) is not None:
            reader.arrived = self._received
            reader.partitions.leaving = self._leaving
            reader.partitions.left = self._left
            self._tasks.start(self._read())

    async def publish(self, jobs: Sequence[Job]) -> None:
        """See Connection."""
        await self._clients.publish(jobs)

    async def consume(self, arrivals: Arrivals) -> None:
        """See Connection. A pipeline that only pushes consumes nothing, as in RoadRunner."""
        if self._clients.reader is None:
            return
        self._arrivals = arrivals
        self._clients.reader.partitions.rights.told = arrivals.hindered
        lane = {"partition": by_partition, "key": by_key}.get(self._clients.ordering)
        if lane is not None and self._gate is None:
            self._gate = Gate(lane, arrivals.arrived)
        await self._clients.reader.on(await self._clients.consumed_topics())
        arrivals.hindered(self._clients.reader.partitions.rights.refused)

    async def cease(self) -> None:
        """See Connection."""
        if self._clients.reader is not None:
            self._clients.reader.off()
        if self._gate is not None:
            _put_back(self._gate.drain(lambda receipt: True))

    async def ack(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """See Connection: they are settled once that is committed. What the group has taken from us is not."""
        for delivery in deliveries:
            receipt = _receipt(delivery)
            receipt.window.settle(receipt.offset)
        self._next(deliveries)
        reader = self._clients.reader
        assert reader is not None
        try:
            await reader.commit(len(deliveries))
        except Fenced:
            for delivery in deliveries:
                delivery.connection = WITHDRAWN

    async def give_back(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """They are read again, in their order, when this consumes; nothing is committed."""
        if not deliveries:
            return
        _put_back(deliveries)
        self._next(deliveries)
        assert self._clients.reader is not None
        self._clients.reader.reread({id(one): one for one in map(_window, deliveries)}.values())

    async def reject(self, delivery: BrokerDelivery, outcome: Outcome) -> None:
        """RoadRunner forgets a nack, or makes a copy and leaves the original; here either settles it."""
        if outcome.redeliver:
            copy = delivery.job.again(outcome.delay_s, outcome.headers)
            await replace_by(delivery, self.keep_copy(delivery, copy))
        else:
            await self.ack((delivery,))

    async def keep_copy(self, delivery: BrokerDelivery, copy: Job) -> None:
        """See Connection."""
        await self.publish((copy,))

    async def lost(self) -> str:
        """See Connection."""
        return await asyncio.shield(self._gone)

    async def counts(self) -> Counts:
        """See Connection: of the whole group, `reserved` is what is here."""
        try:
            waiting, delayed = await self._unless_lost(self._clients.waiting())
        except errors.KafkaError as err:
            refused = self._clients.reader.partitions.rights.refused if self._clients.reader else ""
            raise ConnectionLost(refused or f"cannot tell the lag: {said(err)}") from err
        reader = self._clients.reader
        here = sum(one.pending for one in reader.partitions.windows.values()) if reader else 0
        return Counts(max(0, waiting - here), delayed, here)

    async def close(self) -> None:
        """See Connection. The clients stay: see KafkaBroker.shut."""
        if (reader := self._clients.reader) is not None and reader.arrived == self._received:
            reader.restart()
            reader.arrived = reader.partitions.leaving = reader.partitions.left = None
            reader.partitions.rights.told = lambda reason: None
        self._tasks.cancel()
        self._lost("the connection was closed")
        await self._tasks.end()

    def _received(self, window: Window, records: Sequence[Any]) -> None:
        arrivals = self._arrivals
        if arrivals is None:
            return
        take: Callable[[KafkaDelivery], None] = self._gate.arrive if self._gate else arrivals.arrived
        options: dict[str, str | int] = {"topic": window.topic, "partition": window.partition}
        pipeline, priority, topic, partition = self._pipeline, self._priority, window.topic, window.partition
        for record in records:
            offset = record.offset
            if not window.arrive(offset):
                continue
            receipt = Receipt(window, offset, record.key)
            ident = f"{topic}-{partition}-{offset}"
            try:
                job = decode_record(record.key, record.value, record.headers, pipeline, priority, ident)
            except ValueError as err:
                job = decode_record(record.key, record.value, (), pipeline, priority, ident)
                job.options = options
                bad = KafkaDelivery(job, arrivals.settler, receipt, self, record.timestamp)
                arrivals.undecodable(bad, f"a header cannot be read: {err}")
                continue
            job.options = options
            take(KafkaDelivery(job, arrivals.settler, receipt, self, record.timestamp))

    def _leaving(self, windows: Sequence[Window]) -> None:
        """Unstarted jobs of partitions that are about to go are not run."""
        going = {id(window) for window in windows}
        if self._gate is not None:
            _put_back(self._gate.drain(lambda receipt: id(receipt.window) in going))
        if self._arrivals is not None:
            _put_back(self._arrivals.drop(lambda one: id(_window(one)) in going))

    def _left(self, windows: Sequence[Window]) -> None:
        gone = {id(window) for window in windows}
        if self._gate is not None:
            self._gate.forget(windows)
        if self._arrivals is not None:
            self._arrivals.withdraw(lambda one: id(_window(one)) in gone)

    def _next(self, deliveries: Sequence[BrokerDelivery]) -> None:
        if self._gate is not None:
            for delivery in deliveries:
                if isinstance(delivery, KafkaDelivery):
                    self._gate.done(delivery)

    async def _watch(self) -> None:
        """Until the cluster does not answer, or a topic is gone."""
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                await self._clients.look()
            except DriverError as err:
                self._lost(str(err))
                return

    async def _read(self) -> None:
        assert self._clients.reader is not None
        self._lost(await self._clients.reader.run())

    async def _unless_lost(self, work: Coroutine[Any, Any, T]) -> T:
        """aiokafka would try for ever. Raises ConnectionLost."""
        task = asyncio.get_running_loop().create_task(work)
        try:
            both: set[asyncio.Future[Any]] = {task, self._gone}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ConnectionLost(self._gone.result())
            return task.result()
        finally:
            task.cancel()

    def _lost(self, reason: str) -> None:
        if not self._gone.done():
            self._gone.set_result(reason)


def _receipt(delivery: BrokerDelivery) -> Receipt:
    assert isinstance(delivery.tag, Receipt)
    return delivery.tag


def _window(delivery: BrokerDelivery) -> Window:
    return _receipt(delivery).window


def _put_back(deliveries: Sequence[BrokerDelivery]) -> None:
    for delivery in deliveries:
        receipt = _receipt(delivery)
        receipt.window.put_back(receipt.offset)
