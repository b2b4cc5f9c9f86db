"""Sends records, those of one push together, and waits until the brokers have them."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import aiokafka.errors as errors
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from rrjobs.drivers.kafka.client import said
from rrjobs.drivers.kafka.config import ProducerConfig
from rrjobs.drivers.kafka.record import WrittenHeaders
from rrjobs.drivers.kafka.rights import NOT_PERMITTED, refusal
from rrjobs.drivers.kafka.starting import stopped
from rrjobs.drivers.kafka.straight import Straight
from rrjobs.errors import ConnectionLost, DriverError, PushRefused, PushUnknown
from rrjobs.runtime.eager import into_task

BATCH_BYTES = 256 * 1024
TOO_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)
REFUSED = (*TOO_LARGE, errors.TopicAuthorizationFailedError, errors.ClusterAuthorizationFailedError,
           errors.InvalidTopicError, errors.UnknownTopicOrPartitionError, errors.PolicyViolationError,
           errors.InvalidTimestampError, errors.NotEnoughReplicasError)  # fmt: skip
"""Errors after which it is known that nothing was written."""

FATAL = (errors.ProducerFenced, errors.OutOfOrderSequenceNumber, errors.UnknownProducerId, errors.InvalidProducerEpoch,
         errors.InvalidProducerIdMapping, errors.ProducerClosed)  # fmt: skip
"""Errors after which a producer is of no more use."""

_ACKS = {"NoAck": 0, "LeaderAck": 1, "AllISRAck": "all"}


class Record(NamedTuple):
    """What is sent, and where to."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: WrittenHeaders


def make_producer(options: dict[str, Any], config: ProducerConfig) -> AIOKafkaProducer:
    """Not started yet."""
    codec = config.compression_codec
    return AIOKafkaProducer(
        **options,
        acks=_ACKS[config.required_acks],
        enable_idempotence=not config.disable_idempotent,
        compression_type=None if codec in ("", "none") else codec,
        max_batch_size=min(BATCH_BYTES, config.max_message_bytes),
        max_request_size=max(2**20, config.max_message_bytes),
        request_timeout_ms=round(config.request_timeout_s * 1000),
    )


class Publishing:
    """The producer of a pipeline. `broken`: it cannot be used any more, and says why."""

    def __init__(self, producer: Any, config: ProducerConfig, options: Mapping[str, Any]) -> None:
        """`options` are those of the client."""
        self.broken = ""
        self._options = options
        self.producer = producer
        self._config = config
        self._waiting: dict[tuple[str, int], int] = {}
        self._straight = Straight(producer)

    def backlog(self, topic: str, partition: int) -> int:
        """Records that were sent and are not confirmed."""
        return self._waiting.get((topic, partition), 0)

    async def close(self) -> None:
        """What is on its way may still be confirmed while the brokers answer."""
        await stopped(self.producer)
        await self._straight.close()

    def check(self, record: Record, ident: str) -> None:
        """Raises PushRefused when it is too large by our own limit."""
        size = DefaultRecordBatchBuilder.estimate_size_in_bytes(record.key, record.value, record.headers)
        most = self._config.max_message_bytes
        if size > most:
            raise PushRefused(f"job {ident} makes a record of {size} bytes, max_message_bytes is {most}")

    async def send(self, records: Sequence[Record]) -> None:
        """All of them are confirmed. Raises PushRefused with the number that was accepted, PushUnknown."""
        try:
            if self._config.delivery_timeout_s:
                await into_task()
                async with asyncio.timeout(self._config.delivery_timeout_s):
                    await self._send(records)
            else:
                await self._send(records)
        except TimeoutError as err:
            raise PushUnknown(f"not confirmed within delivery_timeout {self._config.delivery_timeout_s:g} s") from err

    async def _send(self, records: Sequence[Record]) -> None:
        places: dict[TopicPartition, list[Record]] = {}
        for record in records:
            places.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
        broker = self._straight.broker(next(iter(places))) if len(places) == 1 else None
        if broker is None and len(records) == 1:
            await self._all([await self._single(records[0])], [records])
            return
        futures, groups = [], []
        for place, group in places.items():
            for batch, part in self._batches(group):
                futures.append(await self._batch(batch, place, broker))
                groups.append(part)
                broker = None
        await self._all(futures, groups)

    async def _batch(self, batch: Any, place: TopicPartition, broker: int | None) -> Any:
        if broker is not None:
            return self._straight.send(batch, place, broker)
        return await self._guarded(self.producer.send_batch(batch, place.topic, partition=place.partition))

    async def _single(self, record: Record) -> Any:
        """Together with others that come while the broker has not answered yet."""
        sending = self.producer.send(record.topic, record.value, record.key, record.partition, headers=record.headers)
        return await self._guarded(sending)

    async def _guarded(self, sending: Any) -> Any:
        await into_task()  # aiokafka limits what it waits for
        try:
            return await sending
        except errors.KafkaError as err:
            raise self._error(err, 0, 1) from err

    def _batches(self, group: Sequence[Record]) -> list[tuple[Any, Sequence[Record]]]:
        found: list[tuple[Any, Sequence[Record]]] = []
        batch, begin = self.producer.create_batch(), 0
        for number, record in enumerate(group):
            entry = {"timestamp": None, "key": record.key, "value": record.value, "headers": record.headers}
            if batch.append(**entry) is None:
                found.append((batch, group[begin:number]))
                batch, begin = self.producer.create_batch(), number
                batch.append(**entry)
        found.append((batch, group[begin:]))
        return found

    async def _all(self, futures: Sequence["asyncio.Future[Any]"], groups: Sequence[Sequence[Record]]) -> None:
        for group in groups:
            place = group[0].topic, group[0].partition
            self._waiting[place] = self._waiting.get(place, 0) + len(group)
        for future, group in zip(futures, groups, strict=True):
            future.add_done_callback(partial(self._renumber, group))
        try:
            results = await _outcomes(futures)
        finally:
            for group in groups:
                self._waiting[group[0].topic, group[0].partition] -= len(group)
        accepted, trouble = 0, None
        for result, group in zip(results, groups, strict=True):
            if isinstance(result, TOO_LARGE) and len(group) > 1:
                await self._halves(group)  # the topic takes less at once than we put together
            elif isinstance(result, BaseException):
                trouble = trouble or (result, group)
                continue
            accepted += len(group)
        if trouble is not None:
            raise self._error(trouble[0], accepted, len(trouble[1])) from trouble[0]

    def _renumber(self, group: Sequence[Record], ended: "asyncio.Future[Any]") -> None:
        """Records that were refused have taken numbers of the idempotent producer, which the broker still waits for."""
        numbers = self.producer._txn_manager
        if numbers is None or ended.cancelled() or not isinstance(ended.exception(), REFUSED):
            return
        place = TopicPartition(group[0].topic, group[0].partition)
        numbers._sequence_numbers[place] -= len(group)

    async def _halves(self, group: Sequence[Record]) -> None:
        middle = len(group) // 2
        await self._send(group[:middle])
        await self._send(group[middle:])

    def _error(self, err: BaseException, accepted: int, count: int) -> DriverError:
        if isinstance(err, TOO_LARGE):
            text = "the topic takes no record of this size: raise its max.message.bytes, and the broker's"
            return PushRefused(f"{text} ({said(err)})", accepted=accepted)
        if isinstance(err, NOT_PERMITTED):
            named = f"topic {err.args[0]}" if err.args else "any topic"
            return PushRefused(refusal(self._options, f"write {named}"), accepted=accepted)
        if isinstance(err, REFUSED):
            return PushRefused(f"Kafka refuses it: {said(err)}", accepted=accepted)
        if not isinstance(err, errors.KafkaError):
            raise err
        if isinstance(err, FATAL):
            self.broken = self.broken or f"the producer has to be made anew: {said(err)}"
        if isinstance(err, errors.ProducerClosed):
            return ConnectionLost(f"the connection is closing: {said(err)}")
        return PushUnknown(f"unknown whether {count} jobs were accepted: {said(err)}", accepted=accepted)


async def _outcomes(futures: Sequence["asyncio.Future[Any]"]) -> list[Any]:
    """What each became, or its error."""
    if len(futures) > 1:
        return await asyncio.gather(*futures, return_exceptions=True)
    try:
        return [await futures[0]]
    except errors.KafkaError as err:
        return [err]
