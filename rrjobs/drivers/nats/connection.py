"""One live connection of a pipeline to JetStream."""

import asyncio
import contextlib
from collections.abc import Sequence

from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from rrjobs.drivers.broker.connection import Arrivals, Counts
from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.drivers.broker.leases import Leases
from rrjobs.drivers.nats.client import Client, place_of
from rrjobs.drivers.nats.config import NatsConfig, NatsSection
from rrjobs.drivers.nats.delays import Mover, due_headers
from rrjobs.drivers.nats.direct import Incoming, publication
from rrjobs.drivers.nats.item import SUBJECT, decode_job, encode_job, nats_headers
from rrjobs.drivers.nats.letters import StreamLetters
from rrjobs.drivers.nats.publisher import Message, Publisher
from rrjobs.drivers.nats.puller import Puller
from rrjobs.drivers.nats.receipt import ACK, ALIVE, NAK, TERM, Receipt, nak_in, receipt_of
from rrjobs.drivers.nats.streams import Names, Streams
from rrjobs.errors import ConnectionLost, DriverError, PushRefused
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Outcome
from rrjobs.runtime.tasks import Tasks, reason_of

API_S = 10.0
"""What JetStream may take to answer a question."""


class NatsConnection:
    """See Connection. Made by `connect`."""

    def __init__(
        self, pipeline: str, config: NatsConfig, section: NatsSection, priority: int, leases: Leases[Receipt]
    ) -> None:
        """`priority` is for jobs without one; `leases` has what earlier connections received."""
        self._pipeline = pipeline
        self._config = config
        self._priority = priority
        self._names = Names(config)
        self._place = place_of(section)
        self._client = Client(section)
        self._broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._leases = leases
        self._tasks = Tasks(lambda err: self._ended(reason_of(err)))
        self._puller: Puller | None = None
        self._mover: Mover | None = None
        self._consuming: list[asyncio.Task[None]] = []
        self._returned: set[int] = set()
        self._arrivals: Arrivals | None = None

    async def connect(self) -> "NatsConnection":
        """Raises BrokerUnreachable, BrokerRefused."""
        await self._client.connect()
        self._nc = self._client.nc
        self._js = self._nc.jetstream(timeout=API_S)
        streams = Streams(self._js, self._names, self._config, self._place)
        await streams.prepare()
        self._publisher = Publisher(self._nc)
        self._client.on_refusal = self._publisher.refused
        self._client.lost.add_done_callback(lambda lost: self._ended(lost.result()))
        await self._publisher.start()
        self.letters = StreamLetters(self._js, self._names, streams, self._publisher.publish, self._pipeline)
        self._tasks.start(self._leases.run(self._renew))
        return self

    async def publish(self, jobs: Sequence[Job]) -> None:
        """See Connection."""
        await self._publisher.publish([self._message(job) for job in jobs])

    async def consume(self, arrivals: Arrivals) -> None:
        """See Connection."""
        self._arrivals = arrivals
        names = self._names
        self._puller = Puller(
            self._nc, names.stream, names.consumer, self._config.prefetch, self._arrived, self._ended, len(self._leases)
        )
        self._mover = Mover(
            self._nc,
            names.stream,
            names.delayed_consumer,
            names.subject,
            self._publisher.publish,
            self._remove,
            self._ended,
        )
        await self._puller.start()
        self._consuming = [self._tasks.start(self._puller.run()), self._tasks.start(self._mover.run())]

    async def cease(self) -> None:
        """See Connection."""
        if self._mover is not None:
            await self._mover.stop()
        if self._puller is not None:
            await self._puller.stop()
        for task in self._consuming:
            task.cancel()
        if self._consuming:
            await asyncio.wait(self._consuming)
        self._consuming = []

    async def ack(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """Acked; deleted from the stream too where that is wanted."""
        await self._answer(deliveries, ACK)
        if self._config.delete_after_ack:
            await self._remove([_receipt(one).sequence for one in deliveries])

    async def give_back(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """See Connection."""
        await self._answer(deliveries, NAK)
        self._returned.update(_receipt(one).sequence for one in deliveries)
        await self._flush()

    async def reject(self, delivery: BrokerDelivery, outcome: Outcome) -> None:
        """As RoadRunner: again after the delay, or never."""
        await self._answer((delivery,), nak_in(outcome.delay_s) if outcome.redeliver else TERM)
        if outcome.redeliver:
            self._returned.add(_receipt(delivery).sequence)
        if not outcome.redeliver and self._config.delete_after_ack:
            await self._remove((_receipt(delivery).sequence,))

    async def keep_copy(self, delivery: BrokerDelivery, copy: Job) -> None:
        """See Connection."""
        await self.publish((copy,))

    async def lost(self) -> str:
        """See Connection."""
        return await asyncio.shield(self._broken)

    async def counts(self) -> Counts:
        """`reserved` are delivered and not settled, by all servers.

        NATS counts among them what went back and was not delivered again; of what went back from here we know better.
        """
        names = self._names
        try:
            consumer = await self._js.consumer_info(names.stream, names.consumer)
            stream = await self._js.stream_info(names.stream, subjects_filter=names.delayed)
        except NotFoundError as err:
            raise DriverError(f"stream {names.stream} or its consumer is gone") from err
        except (NatsError, TimeoutError) as err:
            raise DriverError(f"NATS at {self._place} does not tell its counts: {err}") from err
        delayed = (stream.state.subjects or {}).get(names.delayed, 0)
        lent = consumer.num_ack_pending or 0
        back = min(len(self._returned), max(0, lent - len(self._leases)))
        if not back:
            self._returned.clear()  # others have settled them
        return Counts((consumer.num_pending or 0) + back, delayed, lent - back)

    async def close(self) -> None:
        """See Connection."""
        self._ended("the connection was closed")
        await self._tasks.end()
        await self._client.close()

    async def delete_stream(self) -> int:
        """Delete the stream when every job of it is done; how many are not. Raises DriverError."""
        await self._flush()
        if left := sum(await self.counts()):
            return left
        try:
            await self._js.delete_stream(self._names.stream)
            return 0
        except (NatsError, TimeoutError) as err:
            raise DriverError(f"stream {self._names.stream} cannot be deleted: {err}") from err

    def _message(self, job: Job) -> Message:
        headers = nats_headers(job.headers) if job.headers else None
        if job.delay_s > 0:
            return Message(self._names.delayed, encode_job(job), due_headers(headers, job.delay_s))
        return Message(self._names.subject, encode_job(job), headers)

    def _arrived(self, incoming: Incoming) -> None:
        arrivals = self._arrivals
        if arrivals is None:
            return
        receipt = receipt_of(incoming.reply)
        self._returned.discard(receipt.sequence)
        if not self._leases.add(str(receipt.sequence), receipt) and self._puller is not None:
            self._puller.settled(1)  # it takes one place, however often it is delivered
        subject, data, stream = incoming.subject, incoming.data, self._names.stream
        identity = f"{receipt.sequence}@{receipt.pushed_at}"
        try:
            headers, name = incoming.headers(), f"{stream}/{identity}"
            job, reason = decode_job(data, subject, headers, self._pipeline, self._priority, name), ""
        except ValueError as err:
            name, reason = f"nats-{receipt.sequence}", str(err)
            job = Job(name, "undecodable", data, self._pipeline, self._priority, headers={SUBJECT: [subject]})
        job.pushed_at = receipt.pushed_at
        delivery = BrokerDelivery(
            job,
            arrivals.settler,
            receipt,
            self,
            identity,
            queue=stream,
            redelivered=receipt.delivered - 1,
            exact=True,
        )
        if reason:
            arrivals.undecodable(delivery, reason)
        else:
            arrivals.arrived(delivery)

    async def _answer(self, deliveries: Sequence[BrokerDelivery], word: bytes) -> None:
        receipts = [_receipt(delivery) for delivery in deliveries]
        for receipt in receipts:
            self._leases.discard(str(receipt.sequence))
        await self._say(receipts, word)
        if self._puller is not None:
            self._puller.settled(len(receipts))

    async def _renew(self, receipts: Sequence[Receipt]) -> None:
        await self._say(receipts, ALIVE)

    async def _say(self, receipts: Sequence[Receipt], word: bytes) -> None:
        try:
            await self._nc.write(b"".join([publication(receipt.reply, b"", word) for receipt in receipts]))
        except NatsError as err:
            raise ConnectionLost(str(err)) from err

    async def _flush(self) -> None:
        try:
            await self._nc.flush(timeout=int(API_S))
        except (NatsError, TimeoutError) as err:
            raise ConnectionLost(str(err) or "NATS did not answer") from err

    async def _remove(self, sequences: Sequence[int]) -> None:
        """What is not removed, for whatever reason, is acked, and stays in the stream without being delivered."""
        api = f"$JS.API.STREAM.MSG.DELETE.{self._names.stream}"
        questions = [Message(api, b'{"seq":%d,"no_erase":true}' % sequence) for sequence in sequences]
        with contextlib.suppress(PushRefused, TimeoutError):
            async with asyncio.timeout(API_S):
                await self._publisher.ask(questions)

    def _ended(self, reason: str) -> None:
        if not self._broken.done():
            self._broken.set_result(reason)
            if hasattr(self, "_publisher"):
                self._publisher.lost(reason)


def _receipt(delivery: BrokerDelivery) -> Receipt:
    assert isinstance(delivery.tag, Receipt)
    return delivery.tag
