"""All clients of one pipeline: they outlive broken links, and are made anew where they cannot be mended."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

import aiokafka.errors as errors
from aiokafka import TopicPartition

from rrjobs.drivers.kafka.client import Cluster, probe, said
from rrjobs.drivers.kafka.config import KafkaConfig, KafkaSection
from rrjobs.drivers.kafka.delays import SETTINGS, delay_topic, step_for, step_of
from rrjobs.drivers.kafka.lag import lag
from rrjobs.drivers.kafka.letters import TopicLetters
from rrjobs.drivers.kafka.mover import Delayed, Mover
from rrjobs.drivers.kafka.partitioning import Partitioner
from rrjobs.drivers.kafka.partitions import Partitions
from rrjobs.drivers.kafka.publishing import Publishing, Record, make_producer
from rrjobs.drivers.kafka.reader import Reader, make_consumer
from rrjobs.drivers.kafka.record import DUE, due_header, encode_headers
from rrjobs.drivers.kafka.security import client_options
from rrjobs.drivers.kafka.topics import DEAD, Topics
from rrjobs.errors import BrokerUnreachable, ConnectionLost, DriverError, PushRefused
from rrjobs.pipeline.job import Job
from rrjobs.runtime.events import Events

STOP_S = 4.0
"""What a client may take to end; a broker that does not answer is left."""


class Clients:
    """`open` before each connection."""

    reader: Reader | None = None

    def __init__(self, pipeline: str, config: KafkaConfig, section: KafkaSection, events: Events) -> None:
        self._pipeline = pipeline
        self._config = config
        self._section = section
        self._events = events
        self._timeout_s = section.ping.timeout_s
        self._options: dict[str, Any] = {}
        self._publishing: Publishing | None = None
        self._movers: dict[str, Mover] = {}
        self._topics = Topics(self._cluster, config.auto_create_topics_enable)
        self._partitioner = Partitioner(config.producer_options.partitioning_strategy, self._backlog)
        consumer = config.consumer_options
        self.ordering = consumer.ordering if consumer else "none"
        self._names = () if consumer is None else consumer.topics or tuple(consumer.consume_partitions)
        self._patterns = consumer is not None and consumer.consume_regexp
        self.topic = self._names[0] if len(self._names) == 1 and not self._patterns else ""
        self.letters = TopicLetters((self.topic or pipeline) + DEAD, pipeline, self._options, self._topics, self._send)

    async def open(self) -> None:
        """The cluster answers, and everything is there. Raises BrokerUnreachable, BrokerRefused."""
        if not self._options:
            self._options.update(client_options(self._section, self._config.sasl_options))
        await probe(self._options, self._timeout_s)
        try:
            await self._open_producer()
            await self._open_reader()
            for topic in () if self._patterns else self._names:
                await self._topics.need(topic)
            await self._open_movers()
            for mover in self._movers.values():
                mover.refresh()
        except (errors.KafkaError, ConnectionLost, TimeoutError) as err:
            raise BrokerUnreachable(f"Kafka at {', '.join(self._section.brokers)}: {said(err)}") from err

    async def close(self) -> None:
        """Leave the group, so that others have the partitions at once. Safe twice."""
        for mover in self._movers.values():
            await mover.close()
        self._movers.clear()
        reader, self.reader = self.reader, None
        if reader is not None:
            await _stopped(reader.consumer)
        publishing, self._publishing = self._publishing, None
        if publishing is not None:
            await _stopped(publishing.producer)

    async def look(self) -> None:
        """Raises ConnectionLost when the cluster does not answer, DriverError when a consumed topic is gone."""
        missing = await self._topics.look()
        gone = [topic for topic in missing if topic in self._names]
        if gone:
            raise DriverError(f"topic {gone[0]} does not exist any more")

    async def consumed_topics(self) -> Sequence[str]:
        """Those that are consumed by name; all of them exist. Raises DriverError."""
        if self._patterns:
            return ()
        for topic in self._names:
            await self._topics.need(topic)
        return self._names

    async def waiting(self) -> tuple[int, int]:
        """Records that are not settled, and those that wait for their time. Raises KafkaError."""
        delayed = sum([await mover.waiting() for mover in self._movers.values()])
        reader = self.reader
        if reader is None:
            return 0, delayed
        consumer, windows = reader.consumer, reader.partitions.windows
        names = consumer.subscription() or self._names if self._patterns else self._names
        places = {TopicPartition(topic, one) for topic in names for one in self._topics.known(topic) or ()}
        if not self.topic and self._config.consumer_options and self._config.consumer_options.consume_partitions:
            places = set(windows)
        from_end = self._config.consumer_options is not None and (
            self._config.consumer_options.consumer_offset.type in ("AtEnd", "WithEpoch")
        )
        grouped = self._config.group_options is not None
        found = await lag(consumer, sorted(places | set(windows)), windows, grouped=grouped, from_end=from_end)
        return found, delayed

    async def publish(self, jobs: Sequence[Job]) -> None:
        """See Connection."""
        publishing = self._live()
        for job in jobs:
            topic = job.options.get("topic") or self.topic
            if not topic:
                raise PushRefused(f"job {job.id} names no topic, and the pipeline has none: set its option `topic`")
            await self._prepare(str(topic), job.delay_s)
        self._partitioner.begin()
        records = [self._record(job) for job in jobs]
        for job, record in zip(jobs, records, strict=True):
            publishing.check(record, job.id)
        await publishing.send(records)

    async def _prepare(self, topic: str, delay_s: float) -> None:
        try:
            if self._topics.known(topic) is None:
                await self._topics.need(topic)
            if delay_s > 0:
                await self._delay(topic, delay_s)
        except ConnectionLost:
            raise
        except DriverError as err:
            raise PushRefused(str(err)) from err

    async def _delay(self, topic: str, left_s: float) -> str:
        """Its delay topic, which is watched."""
        name = delay_topic(topic, step_for(left_s))
        if self._topics.known(name) is None:
            await self._topics.need(name, 1, **SETTINGS)
        self._mover(topic).watch([name])
        return name

    def _record(self, job: Job) -> Record:
        topic = str(job.options.get("topic") or self.topic)
        key, headers = job.id.encode(), encode_headers(job)
        if job.delay_s <= 0:
            return Record(topic, self._place(job, topic), key, job.payload, headers)
        named = self._config.producer_options.partitioning_strategy == "Manual"
        partition = self._place(job, topic) if named else None
        headers.append(due_header(round((time.time() + job.delay_s) * 1000), partition))
        return Record(delay_topic(topic, step_for(job.delay_s)), 0, key, job.payload, headers)

    def _place(self, job: Job, topic: str) -> int:
        partitions = self._topics.known(topic)
        try:
            return self._partitioner.partition(job, topic, partitions or (0,))
        except ValueError as err:
            raise PushRefused(f"job {job.id}: {err}") from err

    def _mover(self, topic: str) -> Mover:
        if topic not in self._movers:

            async def move(records: Sequence[Delayed]) -> None:
                await self._move(topic, records)

            self._movers[topic] = Mover(topic, self._options, self._timeout_s, move, self._untold)
        return self._movers[topic]

    async def _move(self, topic: str, records: Sequence[Delayed]) -> None:
        """Raises DriverError."""
        now, moved = time.time(), []
        partitions = await self._topics.need(topic)
        for one in records:
            left_s = one.due_s - now
            if left_s > 0.001:
                moved.append(Record(await self._delay(topic, left_s), 0, one.key, one.value, one.headers))
                continue
            headers = [(name, value) for name, value in one.headers if name != DUE]
            partition = one.partition
            if partition is None or partition not in partitions:
                like = Job((one.key or b"").decode(errors="backslashreplace"), "", b"", "")
                partition = self._partitioner.partition(like, topic, partitions)
            moved.append(Record(topic, partition, one.key, one.value, headers))
        await self._send(moved)

    async def _send(self, records: Sequence[Record]) -> None:
        await self._live().send(records)

    def _live(self) -> Publishing:
        if self._publishing is None:
            raise ConnectionLost("there is no connection", sent=False)
        return self._publishing

    def _cluster(self) -> Cluster:
        return Cluster(self._live().producer.client, self._options, self._timeout_s)

    def _backlog(self, topic: str, partition: int) -> int:
        return self._publishing.backlog(topic, partition) if self._publishing else 0

    def _untold(self, reason: str) -> None:
        self._events.emit("broker.delays", pipeline=self._pipeline, reason=reason)

    async def _open_producer(self) -> None:
        if self._publishing is not None and self._publishing.broken:
            broken, self._publishing = self._publishing, None
            await _stopped(broken.producer)
        if self._publishing is None:
            producer = make_producer(self._options, self._config.producer_options)
            await _started(producer)
            self._publishing = Publishing(producer, self._config.producer_options)

    async def _open_reader(self) -> None:
        reader, consumer = self.reader, self._config.consumer_options
        if reader is not None and (reader.broken or reader.partitions.broken):
            self.reader = None
            await _stopped(reader.consumer)
        if self.reader is None and consumer is not None:
            group = self._config.group_options
            made = make_consumer(self._options, consumer, group, self._timeout_s)
            await _started(made)
            partitions = Partitions(made, consumer, grouped=group is not None)
            if reader is not None and group is None:
                partitions.windows.update(reader.partitions.windows)  # nobody else knows how far we were
            self.reader = Reader(made, partitions, self._config.prefetch)
        elif self.reader is not None:
            self.reader.refresh()

    async def _open_movers(self) -> None:
        """Delayed jobs that others left are moved from the start."""
        if not self._names or self._patterns:
            return
        for name in await self._cluster().names():
            topic = name.rpartition(".delay.")[0]
            if step_of(name) is not None and topic in self._names:
                await self._topics.need(name)
                self._mover(topic).watch([name])


async def _started(client: Any) -> None:
    try:
        await client.start()
    except BaseException:
        await _stopped(client)
        raise


async def _stopped(client: Any) -> None:
    """End a client, politely as long as the broker answers."""
    with contextlib.suppress(TimeoutError, errors.KafkaError, OSError):
        async with asyncio.timeout(STOP_S):
            await client.stop()
            return
    sender = getattr(client, "_sender", None)
    inner = getattr(client, "client", None) or client._client
    with contextlib.suppress(TimeoutError, errors.KafkaError, OSError):
        async with asyncio.timeout(STOP_S):
            if sender is not None:
                await sender.close()
            await inner.close()
