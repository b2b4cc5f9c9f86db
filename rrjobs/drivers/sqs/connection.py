"""One live connection of a pipeline to SQS: a client whose credentials work, and a queue that is there."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from rrjobs.drivers.broker.connection import Arrivals, Counts
from rrjobs.drivers.broker.copying import replace_by
from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.drivers.broker.leases import Leases
from rrjobs.drivers.sqs.api import Api
from rrjobs.drivers.sqs.arrival import Names, delivery_of
from rrjobs.drivers.sqs.config import SqsConfig, SqsSection
from rrjobs.drivers.sqs.delays import Wait, wait_of
from rrjobs.drivers.sqs.holds import Holds
from rrjobs.drivers.sqs.item import decode_job
from rrjobs.drivers.sqs.letters import QueueLetters
from rrjobs.drivers.sqs.queues import Queues
from rrjobs.drivers.sqs.receipt import Receipt
from rrjobs.drivers.sqs.receiver import Message, Receiver
from rrjobs.drivers.sqs.sender import Sender
from rrjobs.errors import ConnectionLost, DriverError, ReceiptsLost
from rrjobs.pipeline.history import History, history_of
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Outcome
from rrjobs.runtime.eager import into_task
from rrjobs.runtime.tasks import Tasks, reason_of

ANSWERS_S = 1.0
"""How long pushes that are under way when a connection is lost may still get their answers: a service that refuses one
request answers the others too.
"""

LINGER_S = 4.0
"""How long a close waits for requests that stand, so that what they bring can go back."""


class SqsConnection:
    """See Connection. Made by `connect`."""

    def __init__(
        self,
        pipeline: str,
        config: SqsConfig,
        section: SqsSection,
        priority: int,
        leases: Leases[Receipt],
        api: Api,
        patience_s: float,
    ) -> None:
        """`priority` is for jobs without one; `leases` has what earlier connections received."""
        self._pipeline = pipeline
        self._names = Names(pipeline, config.queue)
        self._config = config
        self._priority = priority
        self._leases = leases
        self._patience_s = patience_s
        self._api = api
        self._queues = Queues(api, config)
        self._broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks = Tasks(lambda err: self._api.end(reason_of(err)))
        self._receiver: Receiver | None = None
        self._sender: Sender | None = None
        self._arrivals: Arrivals | None = None
        api.on_end = self._broken.set_result

    async def connect(self) -> "SqsConnection":
        """Raises BrokerUnreachable, BrokerRefused."""
        await self._api.open()
        self.queue = await self._queues.prepare()
        url = self.queue.url
        self._visibility_s = self._config.visibility_timeout or self.queue.visibility_s or 30
        most_bytes = self.queue.most_bytes
        self._sender = Sender(self._api, url, self._config, self._tasks.start, self._patience_s, most_bytes)
        self._holds = Holds(self._api, url, self._tasks.start, self._visibility_s)
        self.letters = QueueLetters(self._api, self._queues, self._config, self._pipeline, self._tasks.start)
        self._leases.lease(self._visibility_s)
        self._tasks.start(self._leases.run(self._renew))
        return self

    async def publish(self, jobs: Sequence[Job]) -> None:
        """See Connection."""
        await into_task()
        await self._send(jobs)

    async def consume(self, arrivals: Arrivals) -> None:
        """See Connection."""
        self._arrivals = arrivals
        self._receiver = Receiver(
            self._api,
            self.queue,
            self._config,
            self._visibility_s,
            self._leases.__len__,
            self._arrived,
            self._late,
            self._tasks.start,
        )
        self._receiver.ask()

    async def cease(self) -> None:
        """See Connection. A request that stands is left to end."""
        if self._receiver is not None:
            self._receiver.stop()

    async def ack(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """See Connection."""
        lost = await self._holds.delete([_receipt(one) for one in deliveries])
        self._let_go(deliveries)
        if lost:
            others = [one for one in deliveries if _receipt(one) in lost]
            raise ReceiptsLost("SQS has given it to somebody else: its visibility timeout was over", others)

    async def give_back(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """See Connection."""
        await self._holds.hide([_receipt(one) for one in deliveries], 0)
        self._let_go(deliveries)

    async def reject(self, delivery: BrokerDelivery, outcome: Outcome) -> None:
        """As RoadRunner: retained where that is wanted, else again, whether it asks for it or not."""
        if outcome.redeliver or not self._config.retain_failed_jobs:
            headers = outcome.headers or _next_run(delivery)
            await replace_by(delivery, self.keep_copy(delivery, delivery.job.again(outcome.delay_s, headers)))
            return
        if self._config.error_visibility_timeout:
            await self._holds.hide([_receipt(delivery)], self._config.error_visibility_timeout)
        delivery.outcome = replace(outcome, redeliver=True)  # it comes again, and is to be run
        self._let_go((delivery,))

    async def keep_copy(self, delivery: BrokerDelivery, copy: Job) -> None:
        """See Connection. Nothing is copied of what is somebody else's meanwhile."""
        receipt = _receipt(delivery)
        if not await self._holds.surely([receipt]):
            self._let_go((delivery,))
            raise ReceiptsLost("SQS has given it to somebody else: its visibility timeout was over", (delivery,))
        await self._send((copy,), f"copy-of-{receipt.message_id}")

    async def lost(self) -> str:
        """See Connection."""
        return await asyncio.shield(self._broken)

    async def counts(self) -> Counts:
        """`reserved` are delivered and not settled, by all servers, and those hidden until their time."""
        return await self._queues.counts(self.queue.url)

    async def close(self) -> None:
        """See Connection."""
        if self._receiver is not None:
            self._receiver.stop()
        if self._api.over:
            await self._answered()
        elif self._receiver is not None:
            await self._receiver.ended(LINGER_S)
        self._api.end("the connection was closed")
        await self._tasks.end()
        await self._api.close()

    async def _send(self, jobs: Sequence[Job], unique: str = "") -> None:
        assert self._sender is not None
        await self._sender.send(jobs, unique)

    async def _answered(self) -> None:
        if self._sender is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWERS_S):
                    await self._sender.ended()

    def _arrived(self, message: Message) -> None:
        arrivals = self._arrivals
        if arrivals is None:
            return
        receipt = self._holds.received(message)
        self._leases.add(receipt.message_id, receipt)
        wait = wait_of(message, time.time(), self.queue, fifo=self._config.is_fifo)
        if wait is not None:
            self._tasks.start(self._early(message, receipt, wait))
            return
        delivery, reason = delivery_of(message, receipt, self, arrivals.settler, self._names, self._priority)
        if reason:
            arrivals.undecodable(delivery, reason)
        else:
            arrivals.arrived(delivery)

    async def _early(self, message: Message, receipt: Receipt, wait: Wait) -> None:
        """Keep it from being run before its time."""
        try:
            if wait.hide_s:
                await self._holds.hide([receipt], wait.hide_s)
            else:
                job = decode_job(message, self._pipeline, self._priority)
                job.delay_s = wait.copy_s
                await self._send((job,), f"copy-of-{receipt.message_id}")
                await self._holds.delete([receipt])
        except ConnectionLost:
            return
        except (DriverError, ValueError):
            await self._holds.hide([receipt], 30)  # neither lost nor run: tried again
        finally:
            self._leases.discard(receipt.message_id)
            self._room()

    async def _late(self, messages: Sequence[Message]) -> None:
        """They came after `cease`."""
        if self._arrivals is not None:
            for message in messages:
                self._arrivals.returned(str(message["MessageId"]))
        await self._holds.back([self._holds.received(message) for message in messages])

    def _let_go(self, deliveries: Sequence[BrokerDelivery]) -> None:
        for delivery in deliveries:
            self._leases.discard(_receipt(delivery).message_id)
        self._room()

    def _room(self) -> None:
        if self._receiver is not None:
            self._receiver.ask()

    async def _renew(self, receipts: Sequence[Receipt]) -> None:
        await self._holds.renew([one for one in receipts if not one.stale])


def _receipt(delivery: BrokerDelivery) -> Receipt:
    assert isinstance(delivery.tag, Receipt)
    return delivery.tag


def _next_run(delivery: BrokerDelivery) -> dict[str, list[str]]:
    """The history of a copy that the program did not ask for."""
    history = history_of(delivery.job.headers)
    return History(delivery.attempt + 1, delivery.crashes, history.pushed_at, history.interruptions).headers()
