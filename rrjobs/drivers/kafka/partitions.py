"""The partitions that are ours, and their windows.

in a group: none --assigned--> ours --revoked: what runs may end, what is settled is committed--> none
without one: all partitions, from the first time on
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import aiokafka.errors as errors
from aiokafka import ConsumerRebalanceListener, TopicPartition

from rrjobs.drivers.kafka.client import said
from rrjobs.drivers.kafka.commits import Commits, Fenced
from rrjobs.drivers.kafka.config import ConsumerConfig, OffsetConfig
from rrjobs.drivers.kafka.offsets import beginning
from rrjobs.drivers.kafka.rights import Denied, Rights
from rrjobs.drivers.kafka.window import Window
from rrjobs.errors import ConnectionLost

REVOKE_S = 3.0
"""How long a rebalance waits for jobs that run, so that no other server runs them too."""

_OWN_TOPICS = r"^(?!.*\.(?:dead|delay\.\d+)$)(?s:.*?)(?:{})"

Left = Callable[[Sequence[Window]], None]


class Partitions(ConsumerRebalanceListener):  # type: ignore[misc]
    """`leaving` is told of windows whose unstarted jobs are to be let go, `left` of those that are ours no more.

    `changed` is called when there may be something to read. `broken` says why the consumer is of no more use,
    `revoked` how often partitions were taken away.
    """

    def __init__(self, consumer: Any, config: ConsumerConfig, rights: Rights, grouped: bool) -> None:
        self.broken = ""
        self.revoked = 0
        self.windows: dict[TopicPartition, Window] = {}
        self.commits = Commits(consumer, self.windows, rights, grouped)
        self.rights = rights
        self.leaving: Left | None = None
        self.left: Left | None = None
        self.changed: Callable[[], None] = lambda: None
        self._consumer = consumer
        self._config = config
        self._grouped = grouped
        self._joined = False
        self._settled = asyncio.Event()

    async def join(self, topics: Sequence[str]) -> None:
        """Once: ask for them. Raises ConnectionLost."""
        if self._joined:
            return
        if not self._grouped:
            await self._take(topics)
        elif self._config.consume_regexp:
            patterns = "|".join(f"(?:{one})" for one in self._config.topics)
            self._consumer.subscribe(pattern=_OWN_TOPICS.format(patterns), listener=self)
        else:
            self._consumer.subscribe(topics=list(topics), listener=self)
        self._joined = True

    def settled(self) -> None:
        """A record was settled or put back."""
        self._settled.set()

    def seek(self, window: Window) -> None:
        """Read on where the window says."""
        place = TopicPartition(window.topic, window.partition)
        if self.windows.get(place) is window:
            with contextlib.suppress(errors.IllegalStateError):
                self._consumer.seek(place, window.reread())

    def position(self, place: TopicPartition) -> int:
        """What will be read next there; 0 when nobody knows."""
        try:
            state = self._consumer._subscription.subscription.assignment.state_value(place)
            return int(state.position) if state.has_valid_position else 0
        except AttributeError:
            return 0  # the assignment is gone

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Ours, from where they were left."""
        places = list(assigned)
        self._look_again()
        self.rights.permitted(())
        try:
            committed = await self._consumer._coordinator.fetch_committed_offsets(places)
            for place in places:
                held = committed.get(place)
                begin = held.offset if held else await self._beginning(place, self._config.consumer_offset)
                window = Window(place.topic, place.partition, begin, held.metadata or "" if held else "")
                window.dirty = held is None  # so that a group that begins at the end misses nothing from now on
                self.windows[place] = window
                self.seek(window)
            await self.commits.commit()
        except Fenced:
            pass  # they are revoked at once
        except Denied:
            pass  # it is told, and fetching asks for the same right
        except (errors.KafkaError, ConnectionLost) as err:
            self.broken = f"cannot take over partitions: {said(err)}"
        self.changed()

    def _look_again(self) -> None:
        """The client shares out the partitions it knows: a question that met a broken link is asked again in 30 s."""
        if not all(self._consumer.partitions_for_topic(topic) for topic in self._consumer.subscription()):
            self._consumer._client.force_metadata_update()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """What runs has a while to end; what is settled is committed."""
        windows = list(self.windows.values())
        for window in windows:
            window.closing = True
        if self.leaving is not None:
            self.leaving(windows)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REVOKE_S):
                while any(window.pending for window in windows):
                    self._settled.clear()
                    await self._settled.wait()
        with contextlib.suppress(TimeoutError, ConnectionLost, Fenced):
            async with asyncio.timeout(REVOKE_S):
                await self.commits.commit()
        self.windows.clear()
        self.revoked += 1
        if self.left is not None:
            self.left(windows)
        self.changed()

    async def _take(self, topics: Sequence[str]) -> None:
        wanted: dict[TopicPartition, OffsetConfig] = {
            TopicPartition(topic, partition): where
            for topic, places in self._config.consume_partitions.items()
            for partition, where in places.items()
        }
        if self._config.topics:
            self._consumer._client.set_topics(list(topics))
            await self._consumer._client.force_metadata_update()
            begin = self._config.consumer_offset
            every = ((topic, self._consumer.partitions_for_topic(topic) or ()) for topic in topics)
            wanted = {TopicPartition(topic, one): begin for topic, partitions in every for one in partitions}
        self._consumer.assign(list(wanted))
        for place, where in wanted.items():
            if place not in self.windows:
                self.windows[place] = Window(place.topic, place.partition, await self._beginning(place, where))

    async def _beginning(self, place: TopicPartition, where: OffsetConfig) -> int:
        try:
            return await beginning(self._consumer, place, where)
        except errors.KafkaError as err:
            raise ConnectionLost(f"{place.topic}/{place.partition}: cannot tell its offsets: {said(err)}") from err
