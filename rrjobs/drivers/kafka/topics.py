"""The topics of a pipeline: their partitions as they were last seen, and how one that lacks is made."""

import asyncio
from collections.abc import Callable, Iterable

from rrjobs.drivers.kafka.client import BROKERS_OWN, Cluster
from rrjobs.errors import BrokerRefused, DriverError
from rrjobs.runtime.eager import into_task

APPEAR_S = 10.0
"""How long a topic that was made may take to be seen."""

DEAD = ".dead"


class Topics:
    """`make_all`: the pipeline's own setting. Delay topics and those of dead letters are made in any case."""

    def __init__(self, cluster: Callable[[], Cluster], make_all: bool) -> None:
        self._cluster = cluster
        self._make_all = make_all
        self._known: dict[str, tuple[int, ...]] = {}
        self._making = asyncio.Lock()

    def known(self, topic: str) -> tuple[int, ...] | None:
        """Its partitions, as last seen."""
        return self._known.get(topic)

    async def look(self, topics: Iterable[str] | None = None) -> list[str]:
        """See them anew, all that are known if none are named; those that do not exist. Raises ConnectionLost."""
        wanted = list(self._known if topics is None else topics)
        found = await self._cluster().partitions(wanted)
        if any(self._known.get(topic, found[topic]) != found[topic] for topic in found):
            await self._cluster().refresh()  # what we choose a partition of, the producer has to know
        self._known.update(found)
        missing = [topic for topic in wanted if topic not in found]
        for topic in missing:
            self._known.pop(topic, None)
        return missing

    async def need(self, topic: str, partitions: int = BROKERS_OWN, **settings: str) -> tuple[int, ...]:
        """Its partitions; with settings it is made where it does not exist. Raises BrokerRefused, DriverError."""
        if (found := self._known.get(topic)) is not None:
            return found
        await into_task()
        async with self._making:
            if await self.look([topic]):
                if not (self._make_all or settings):
                    text = f"topic {topic} does not exist: make it, or set auto_create_topics_enable: true"
                    raise BrokerRefused(text)
                await self._cluster().make(topic, partitions, **settings)
                await self._appears(topic)
        return self._known[topic]

    async def _appears(self, topic: str) -> None:
        try:
            async with asyncio.timeout(APPEAR_S):
                while await self.look([topic]):  # noqa: ASYNC110  nobody tells of it
                    await asyncio.sleep(0.05)
        except TimeoutError as err:
            raise DriverError(f"topic {topic} was made, and is not seen after {APPEAR_S:g} s") from err
