"""Moves delayed records of one topic on, when their step is over or they are due.

What is moved is confirmed by the broker before it is committed here, so that a crash in between has it twice, and none
is lost. All servers that have the topic share its delay topics as a group.
"""

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import aiokafka.errors as errors
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from rrjobs.drivers.broker.backoff import Backoff
from rrjobs.drivers.kafka.client import said
from rrjobs.drivers.kafka.commits import Fenced
from rrjobs.drivers.kafka.config import ConsumerConfig, GroupConfig
from rrjobs.drivers.kafka.delays import step_of, waits_until
from rrjobs.drivers.kafka.lag import lag
from rrjobs.drivers.kafka.partitions import Partitions
from rrjobs.drivers.kafka.reader import make_consumer
from rrjobs.drivers.kafka.record import read_due
from rrjobs.drivers.kafka.rights import NOT_PERMITTED, Rights, refusal
from rrjobs.drivers.kafka.window import Window
from rrjobs.errors import DriverError

LONGEST_POLL_S = 1.0
SHORT_WAITERS = 10_000
"""Records of step 0 that wait in memory; those beyond are late when they are due before these."""

LONG_WAITERS = 200
"""Records of each other step that are read ahead."""

TRIM_S = 60.0
AGAIN_S = 1.0


class Delayed(NamedTuple):
    """A record that waits for its time."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    due_s: float
    partition: int | None


class _Waiter(NamedTuple):
    ready_s: float
    serial: int
    window: Window
    offset: int
    record: Delayed


Move = Callable[[Sequence[Delayed]], Awaitable[None]]
"""To the next step, or to the topic itself; all of them are confirmed. Raises DriverError."""


class Mover:
    """Made with the delay topics that exist; `watch` adds one."""

    def __init__(
        self, topic: str, options: Mapping[str, Any], timeout_s: float, move: Move, told: Callable[[str], None]
    ) -> None:
        """`told` is called with the reason when records cannot be moved."""
        self._options = options
        self._timeout_s = timeout_s
        self._config = ConsumerConfig(topics=(topic,))
        self._group = GroupConfig(group_id=f"{topic}.delay")
        self._move = move
        self._told = told
        self._topics: set[str] = set()
        self._waiters: list[_Waiter] = []
        self._serial = itertools.count()
        self._task: asyncio.Task[None] | None = None
        self._consumer: Any = None
        self._partitions: Partitions | None = None
        self._more = asyncio.Event()
        self._trimmed_s = time.monotonic()

    def watch(self, topics: Sequence[str]) -> None:
        """Move what is in these, too."""
        new = set(topics) - self._topics
        self._topics |= new
        if new and self._consumer is not None:
            self._consumer.subscribe(topics=sorted(self._topics), listener=self._partitions)
        if new and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"delays {self._group.group_id}")
        self._more.set()

    def refresh(self) -> None:
        """The link was broken: it may know no partition of its topics, and would not ask for a while."""
        if self._consumer is not None:
            self._consumer._client.force_metadata_update()

    async def close(self) -> None:
        """What waits stays with the broker. Safe twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def waiting(self) -> int:
        """Records that are not due yet. Raises KafkaError."""
        consumer, partitions = self._consumer, self._partitions
        if consumer is None or partitions is None:
            return 0
        places = [TopicPartition(topic, 0) for topic in self._topics]
        return await lag(consumer, places, partitions.windows, grouped=True, from_end=False)

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._consume(backoff)
            except NOT_PERMITTED as err:
                self._told(f"delayed jobs are not moved: {refusal(self._options, f'read {said(err)}')}")
            except (errors.KafkaError, errors.ConsumerStoppedError, DriverError, OSError) as err:
                self._told(f"delayed jobs are not moved: {said(err)}")
            except Exception as err:  # nobody waits for this task: without a word all delays would stand still
                self._told(f"delayed jobs are not moved, by a fault of ours: {type(err).__name__}: {said(err)}")
            await asyncio.sleep(backoff.next_s())

    async def _consume(self, backoff: Backoff) -> None:
        consumer = make_consumer(self._options, self._config, self._group, self._timeout_s)
        self._partitions = partitions = Partitions(
            consumer, self._config, Rights(consumer, self._options), grouped=True
        )
        partitions.leaving = partitions.left = self._leave
        partitions.changed = self._more.set
        try:
            await consumer.start()
            self._consumer = consumer
            await partitions.join(sorted(self._topics))
            while not partitions.broken:
                await self._turn(consumer, partitions)
                backoff.reset()
            raise DriverError(partitions.broken)
        finally:
            self._consumer = None
            self._waiters.clear()
            with contextlib.suppress(TimeoutError, errors.KafkaError):
                async with asyncio.timeout(self._timeout_s):
                    await consumer.stop()

    async def _turn(self, consumer: Any, partitions: Partitions) -> None:
        """Read what there is room for until the next is ready; move what is ready."""
        open_ = [
            place
            for place, window in partitions.windows.items()
            if not window.closing and window.pending < _room(place)
        ]
        wait_s = min(LONGEST_POLL_S, max(0.0, self._waiters[0].ready_s - time.time()) if self._waiters else 60.0)
        if open_:
            found = await consumer.getmany(*open_, timeout_ms=int(wait_s * 1000))
            for place, records in found.items():
                self._received(place, partitions, records)
        else:
            self._more.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._more.wait()
        if self._waiters and self._waiters[0].ready_s <= time.time():
            await self._move_ready(partitions)
        await self._trim(partitions)

    def _received(self, place: TopicPartition, partitions: Partitions, records: Sequence[Any]) -> None:
        window = partitions.windows.get(place)
        if window is None or window.closing:
            return
        step = step_of(place.topic) or 0
        for record in records:
            if window.arrive(record.offset):
                due_ms, partition = read_due(record.headers)
                delayed = Delayed(record.key, record.value, record.headers, due_ms / 1000, partition)
                ready_s = waits_until(step, record.timestamp / 1000, delayed.due_s)
                heapq.heappush(self._waiters, _Waiter(ready_s, next(self._serial), window, record.offset, delayed))
        window.passed(partitions.position(place))

    async def _move_ready(self, partitions: Partitions) -> None:
        now = time.time()
        ready: list[_Waiter] = []
        while self._waiters and self._waiters[0].ready_s <= now and len(ready) < LONG_WAITERS * 5:
            ready.append(heapq.heappop(self._waiters))
        try:
            await self._move([one.record for one in ready])
        except DriverError as err:
            self._told(f"delayed jobs are not moved: {said(err)}")
            for one in ready:
                if not one.window.closing:
                    heapq.heappush(self._waiters, one._replace(ready_s=now + AGAIN_S))
            return
        for one in ready:
            one.window.settle(one.offset)
        partitions.settled()
        with contextlib.suppress(Fenced):
            await partitions.commits.commit()

    def _leave(self, windows: Sequence[Window]) -> None:
        """What waits in memory of these is somebody else's; what is being moved ends first."""
        going = set(map(id, windows))
        for one in self._waiters:
            if id(one.window) in going:
                one.window.put_back(one.offset)
        self._waiters = [one for one in self._waiters if id(one.window) not in going]
        heapq.heapify(self._waiters)

    async def _trim(self, partitions: Partitions) -> None:
        """Delete what was moved on. Who may not do that keeps it: nothing but room is lost."""
        if time.monotonic() - self._trimmed_s < TRIM_S:
            return
        self._trimmed_s = time.monotonic()
        wanted = {place: RecordsToDelete(window.first()) for place, window in partitions.windows.items()}
        admin = AIOKafkaAdminClient(**self._options, request_timeout_ms=round(self._timeout_s * 1000))
        try:
            async with asyncio.timeout(self._timeout_s):
                await admin.start()
                await admin.delete_records({place: before for place, before in wanted.items() if before.before_offset})
        except (errors.KafkaError, OSError, TimeoutError):
            return
        finally:
            await admin.close()


def _room(place: TopicPartition) -> int:
    return LONG_WAITERS if step_of(place.topic) else SHORT_WAITERS
