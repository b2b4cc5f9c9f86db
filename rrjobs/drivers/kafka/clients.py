"""All clients of one pipeline: they outlive broken links, and are made anew where they cannot be mended."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import aiokafka.errors as errors
from aiokafka import TopicPartition

from rrjobs.drivers.kafka.alive import ended
from rrjobs.drivers.kafka.client import Cluster, probe, said
from rrjobs.drivers.kafka.commits import Fenced
from rrjobs.drivers.kafka.config import KafkaConfig, KafkaSection
from rrjobs.drivers.kafka.delays import step_of
from rrjobs.drivers.kafka.lag import lag
from rrjobs.drivers.kafka.letters import TopicLetters
from rrjobs.drivers.kafka.mover import Delayed
from rrjobs.drivers.kafka.movers import Movers
from rrjobs.drivers.kafka.partitions import Partitions
from rrjobs.drivers.kafka.publishing import Publishing, Record, make_producer
from rrjobs.drivers.kafka.reader import Reader, make_consumer
from rrjobs.drivers.kafka.rights import NOT_PERMITTED, Rights, refusal
from rrjobs.drivers.kafka.routing import Routing
from rrjobs.drivers.kafka.security import client_options
from rrjobs.drivers.kafka.starting import STOP_S, started, stopped
from rrjobs.drivers.kafka.topics import DEAD, Topics
from rrjobs.errors import BrokerRefused, BrokerUnreachable, ConnectionLost, DriverError
from rrjobs.pipeline.job import Job
from rrjobs.runtime.events import Events


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
        self._topics = Topics(self._cluster, config.auto_create_topics_enable)
        self._movers = Movers(self._options, self._timeout_s, self._move, self._not_moved)
        consumer = config.consumer_options
        self.ordering = consumer.ordering if consumer else "none"
        self._names = () if consumer is None else consumer.topics or tuple(consumer.consume_partitions)
        self._from_end = consumer is not None and consumer.consumer_offset.type in ("AtEnd", "WithEpoch")
        self._patterns = consumer is not None and consumer.consume_regexp
        self.topic = self._names[0] if len(self._names) == 1 and not self._patterns else ""
        strategy = config.producer_options.partitioning_strategy
        self._routing = Routing(self.topic, self._topics, strategy, self._backlog, self._movers.watch)
        self.letters = TopicLetters((self.topic or pipeline) + DEAD, pipeline, self._options, self._topics, self._send)

    async def open(self) -> None:
        """The cluster answers, and everything is there. Raises BrokerUnreachable, BrokerRefused."""
        if not self._options:
            self._options.update(client_options(self._section, self._config.sasl_options))
        await probe(self._options, self._section.tls.timeout_s if self._section.tls else self._timeout_s)
        try:
            await self._open_producer()
            await self._open_reader()
            if not self._patterns:
                await self._topics.look(self._names)
            for topic in () if self._patterns else self._names:
                self._has_all(topic, await self._topics.need(topic))
            await self._open_movers()
            self._movers.refresh()
        except NOT_PERMITTED as err:
            raise BrokerRefused(f"{refusal(self._options, 'do this')}: {said(err)}") from err
        except (errors.KafkaError, ConnectionLost, TimeoutError) as err:
            raise BrokerUnreachable(f"Kafka at {', '.join(self._section.brokers)}: {said(err)}") from err

    def _has_all(self, topic: str, partitions: Sequence[int]) -> None:
        """Those of `consume_partitions`. Raises BrokerRefused."""
        consumer = self._config.consumer_options
        named = () if consumer is None or consumer.topics else consumer.consume_partitions[topic]
        if missing := sorted(set(named).difference(partitions)):
            numbers = ", ".join(map(str, missing))
            raise BrokerRefused(f"topic {topic} has no partition {numbers}: it has {len(partitions)}, counted from 0")

    async def close(self) -> None:
        """Leave the group, so that others have the partitions at once. Safe twice."""
        await self._movers.close()
        reader, self.reader = self.reader, None
        if reader is not None:
            with contextlib.suppress(TimeoutError, Fenced, ConnectionLost):
                async with asyncio.timeout(STOP_S):
                    await reader.partitions.commits.commit()
            await stopped(reader.consumer)
        publishing, self._publishing = self._publishing, None
        if publishing is not None:
            await publishing.close()

    async def look(self) -> None:
        """Raises ConnectionLost when the cluster does not answer, DriverError when a consumed topic is gone."""
        if broken := self._broken():
            raise ConnectionLost(broken)
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
        delayed = await self._movers.waiting()
        reader = self.reader
        if reader is None:
            return 0, delayed
        windows = reader.partitions.windows
        grouped = self._config.group_options is not None
        places = sorted({*self._places(reader.consumer), *windows})
        return await lag(reader.consumer, places, windows, grouped=grouped, from_end=self._from_end), delayed

    def _places(self, consumer: Any) -> set[TopicPartition]:
        """All partitions that the group has, as far as they are known."""
        if self._config.consumer_options is None or not self._config.consumer_options.topics:
            return set()
        names = consumer.subscription() if self._patterns else self._names
        known = {topic: self._topics.known(topic) or consumer.partitions_for_topic(topic) or () for topic in names}
        return {TopicPartition(topic, one) for topic, partitions in known.items() for one in partitions}

    async def publish(self, jobs: Sequence[Job]) -> None:
        """See Connection."""
        publishing = self._live()
        records = await self._routing.records(jobs)
        for job, record in zip(jobs, records, strict=True):
            publishing.check(record, job.id)
        await publishing.send(records)

    async def _move(self, topic: str, records: Sequence[Delayed]) -> None:
        await self._send(await self._routing.moved(topic, records))

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

    def _broken(self) -> str:
        """Why a client is to be made anew."""
        publishing, reader = self._live(), self.reader
        publishing.broken = publishing.broken or ended(publishing.producer)
        if reader is not None:
            reader.broken = reader.broken or ended(reader.consumer)
        return publishing.broken or (reader.broken if reader else "")

    def _not_moved(self, reason: str) -> None:
        self._events.emit("broker.delays", pipeline=self._pipeline, reason=reason)

    async def _open_producer(self) -> None:
        if self._publishing is not None and self._publishing.broken:
            broken, self._publishing = self._publishing, None
            await broken.close()
        if self._publishing is None:
            producer = make_producer(self._options, self._config.producer_options)
            await started(producer)
            self._publishing = Publishing(producer, self._config.producer_options, self._options)

    async def _open_reader(self) -> None:
        reader, consumer = self.reader, self._config.consumer_options
        if reader is not None and (reader.broken or reader.partitions.broken):
            self.reader = None
            await stopped(reader.consumer)
        if self.reader is None and consumer is not None:
            group = self._config.group_options
            made = make_consumer(self._options, consumer, group, self._timeout_s)
            await started(made)
            partitions = Partitions(made, consumer, Rights(made, self._options), grouped=group is not None)
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
                self._movers.watch(topic, [name])
