"""Reads records while it is on and there is room for them.

It outlives a broken link: the group does not change because of one.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import aiokafka.errors as errors
from aiokafka import AIOKafkaConsumer, TopicPartition

from rrjobs.drivers.kafka.client import said
from rrjobs.drivers.kafka.commits import Fenced
from rrjobs.drivers.kafka.config import ConsumerConfig, GroupConfig
from rrjobs.drivers.kafka.partitions import Partitions
from rrjobs.drivers.kafka.rights import AGAIN_S, NOT_PERMITTED, Denied
from rrjobs.drivers.kafka.window import Window

POLL_RECORDS = 500
POLL_MS = 2000
AGAIN_MS = round(AGAIN_S * 1000)
LINGER_S = 0.01
"""How long a commit waits for company while there is room for other jobs: a broker takes each for work."""

FOREVER_MS = 2**31 - 1
METADATA_MS = 30_000

Arrived = Callable[[Window, Sequence[Any]], None]
"""Records of one partition, in order; what the window does not want is to be left out."""


def make_consumer(
    options: Mapping[str, Any], config: ConsumerConfig, group: GroupConfig | None, timeout_s: float
) -> AIOKafkaConsumer:
    """Not started, subscribed to nothing. A full house is no reason to leave a group, hence no poll interval."""
    end = config.consumer_offset.type in ("AtEnd", "WithEpoch")
    return AIOKafkaConsumer(
        **options,
        **(_group_options(group) if group else {}),
        enable_auto_commit=False,
        auto_offset_reset="latest" if end else "earliest",
        fetch_max_bytes=config.max_fetch_message_size,
        max_partition_fetch_bytes=min(2**20, config.max_fetch_message_size),
        fetch_min_bytes=config.min_fetch_message_size,
        isolation_level=config.isolation_level,
        max_poll_interval_ms=FOREVER_MS,
        metadata_max_age_ms=METADATA_MS,
        request_timeout_ms=round(timeout_s * 1000),
    )


def _group_options(group: GroupConfig) -> dict[str, Any]:
    session_ms = round(group.session_timeout_s * 1000)
    return {
        "group_id": group.group_id,
        "group_instance_id": group.instance_id or None,
        "session_timeout_ms": session_ms,
        "heartbeat_interval_ms": max(100, min(1000, session_ms // 5)),
        "rebalance_timeout_ms": max(session_ms, 30_000),
    }


class Reader:
    """`room` tells how many records may be delivered now."""

    def __init__(self, consumer: Any, partitions: Partitions, prefetch: int) -> None:
        self.broken = ""
        self.consumer = consumer
        self.partitions = partitions
        self.arrived: Arrived | None = None
        self._prefetch = prefetch
        self._on = False
        self._unconfirmed = 0
        self._go = asyncio.Event()
        partitions.changed = self._go.set

    async def on(self, topics: Sequence[str]) -> None:
        """Read. `topics` exist. Raises ConnectionLost when their offsets cannot be had."""
        await self.partitions.join(topics)
        self._on = True
        for window in self.partitions.windows.values():
            self.partitions.seek(window)
        self._go.set()
        with contextlib.suppress(Fenced, Denied):
            await self.partitions.commits.commit()  # what a broken link may have left

    def off(self) -> None:
        """Nothing arrives any more; what is read meanwhile is read again later."""
        self._on = False

    def restart(self) -> None:
        """Whoever had the records is gone: everything that is not settled is to be read again."""
        self.off()
        for window in self.partitions.windows.values():
            window.put_back_all()

    def refresh(self) -> None:
        """The link was broken: the consumer may know no partition of its topics, and would not ask for a while."""
        self.consumer._client.force_metadata_update()

    def settled(self) -> None:
        """There may be room."""
        self.partitions.settled()
        self._go.set()

    async def commit(self, count: int) -> None:
        """So many were settled: until that is committed they count as delivered. Raises ConnectionLost, Fenced.

        Where it is refused this waits for the right.
        """
        self._unconfirmed += count
        self.partitions.settled()
        revoked = self.partitions.revoked
        try:
            linger_s = LINGER_S if self._room() > self._prefetch // 2 else 0.0
            while not await self._committed(linger_s):
                await asyncio.sleep(AGAIN_S)
                if self.partitions.revoked != revoked:
                    raise Fenced("the partitions were taken away before that could be committed")
        finally:
            self._unconfirmed -= count
            self._go.set()

    async def _committed(self, linger_s: float) -> bool:
        try:
            await self.partitions.commits.commit(linger_s)
        except Denied:
            return False
        return True

    def reread(self, windows: Iterable[Window]) -> None:
        """Jobs were put back: they come again, if this is on."""
        if self._on:
            for window in windows:
                self.partitions.seek(window)
        self.settled()

    async def run(self) -> str:
        """Read; the reason why it cannot go on."""
        rights = self.partitions.rights
        while not (self.broken or self.partitions.broken):
            room = self._room()
            if room <= 0:
                self._go.clear()
                await self._go.wait()
                continue
            await self._fetch(min(room, POLL_RECORDS))
            if rights.refused:
                rights.look()
        return self.broken or self.partitions.broken

    async def _fetch(self, most: int) -> None:
        timeout_ms = AGAIN_MS if self.partitions.rights.refused else POLL_MS
        try:
            found = await self.consumer.getmany(timeout_ms=timeout_ms, max_records=most)
        except NOT_PERMITTED as err:
            await self.partitions.rights.lacks(err)
        except errors.RecordTooLargeError as err:
            self.broken = f"a record is larger than max_fetch_message_size: {said(err)}"
        except (errors.KafkaError, errors.ConsumerStoppedError) as err:
            self.broken = f"cannot consume: {said(err)}"
        else:
            for place, records in found.items():
                self._received(place, records)
            self._passed()

    def _room(self) -> int:
        if not self._on:
            return 0
        return self._prefetch - self._unconfirmed - sum(window.pending for window in self.partitions.windows.values())

    def _received(self, place: TopicPartition, records: Sequence[Any]) -> None:
        window = self.partitions.windows.get(place)
        if window is None or window.closing or not self._on or self.arrived is None:
            return
        if records and records[0].offset < window.next:
            window = self._anew(place, window, records[0].offset)
        self.arrived(window, records)

    def _passed(self) -> None:
        """With nothing between what the consumer has given out and what has arrived, its positions are ours."""
        for place, window in self.partitions.windows.items() if self._on else ():
            if not window.closing:
                window.passed(self.partitions.position(place))

    def _anew(self, place: TopicPartition, window: Window, offset: int) -> Window:
        """Kafka reads from the beginning again: the topic was made anew. Nothing of the old one is of use."""
        window.closing = True
        if self.partitions.left is not None:
            self.partitions.left([window])
        self.partitions.windows[place] = Window(place.topic, place.partition, offset)
        return self.partitions.windows[place]
