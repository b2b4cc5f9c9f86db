"""Where jobs go: topic and partition, or the delay topic in front of it."""

import time
from collections.abc import Callable, Sequence

from rrjobs.drivers.kafka.delays import SETTINGS, delay_topic, step_for
from rrjobs.drivers.kafka.mover import Delayed
from rrjobs.drivers.kafka.partitioning import Backlog, Partitioner
from rrjobs.drivers.kafka.publishing import Record
from rrjobs.drivers.kafka.record import DUE, WrittenHeaders, due_header, encode_headers
from rrjobs.drivers.kafka.topics import Topics
from rrjobs.errors import ConnectionLost, DriverError, PushRefused
from rrjobs.pipeline.job import Job

DUE_S = 0.001
"""What is due so soon is due."""

Watch = Callable[[str, Sequence[str]], None]
"""Of a topic, delay topics that have something in them."""


class Routing:
    """`topic` is for jobs that name none, empty when the pipeline has no one topic."""

    def __init__(self, topic: str, topics: Topics, strategy: str, backlog: Backlog, watch: Watch) -> None:
        self._topic = topic
        self._topics = topics
        self._partitioner = Partitioner(strategy, backlog)
        self._named = strategy == "Manual"
        self._watch = watch

    async def records(self, jobs: Sequence[Job]) -> list[Record]:
        """One for each. Raises PushRefused, ConnectionLost."""
        try:
            for job in jobs:
                topic = self._topic_of(job)
                if self._topics.known(topic) is None:
                    await self._topics.need(topic)
                if job.delay_s > 0:
                    await self._delay(topic, job.delay_s)
            self._partitioner.begin()
            return [self._record(job) for job in jobs]
        except (ConnectionLost, PushRefused):
            raise
        except DriverError as err:
            raise PushRefused(str(err)) from err

    async def moved(self, topic: str, records: Sequence[Delayed]) -> list[Record]:
        """What waited goes on: to its topic, or to the step that fits what is left. Raises DriverError."""
        now = time.time()
        partitions = await self._topics.need(topic)
        return [
            await self._later(topic, one, one.due_s - now)
            if one.due_s - now > DUE_S
            else self._now(topic, partitions, one)
            for one in records
        ]

    async def _later(self, topic: str, one: Delayed, left_s: float) -> Record:
        return Record(await self._delay(topic, left_s), 0, one.key, one.value, list(one.headers))

    def _now(self, topic: str, partitions: Sequence[int], one: Delayed) -> Record:
        headers: WrittenHeaders = [(name, value) for name, value in one.headers if name != DUE]
        partition = one.partition
        if partition is None or partition not in partitions:
            like = Job((one.key or b"").decode(errors="backslashreplace"), "", b"", "")
            partition = self._partitioner.partition(like, topic, partitions)
        return Record(topic, partition, one.key, one.value, headers)

    async def _delay(self, topic: str, left_s: float) -> str:
        name = delay_topic(topic, step_for(left_s))
        if self._topics.known(name) is None:
            await self._topics.need(name, 1, **SETTINGS)
        self._watch(topic, [name])
        return name

    def _record(self, job: Job) -> Record:
        topic, key, headers = self._topic_of(job), job.id.encode(), encode_headers(job)
        if job.delay_s <= 0:
            return Record(topic, self._partition(job, topic), key, job.payload, headers)
        partition = self._partition(job, topic) if self._named else None
        headers.append(due_header(round((time.time() + job.delay_s) * 1000), partition))
        return Record(delay_topic(topic, step_for(job.delay_s)), 0, key, job.payload, headers)

    def _topic_of(self, job: Job) -> str:
        topic = job.options.get("topic") or self._topic
        if not topic:
            raise PushRefused(f"job {job.id} names no topic, and the pipeline has none: set its option `topic`")
        return str(topic)

    def _partition(self, job: Job, topic: str) -> int:
        try:
            return self._partitioner.partition(job, topic, self._topics.known(topic) or (0,))
        except ValueError as err:
            raise PushRefused(f"job {job.id}: {err}") from err
