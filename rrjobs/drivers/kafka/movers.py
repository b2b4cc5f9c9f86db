"""The movers of a pipeline, one for each topic that has delayed records."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from rrjobs.drivers.kafka.mover import Delayed, Mover

MoveIn = Callable[[str, Sequence[Delayed]], Awaitable[None]]
"""Of a topic: records that go on. Raises DriverError."""


class Movers:
    """`told` hears the reason when records of a topic cannot be moved."""

    def __init__(self, options: Mapping[str, Any], timeout_s: float, move: MoveIn, told: Callable[[str], None]) -> None:
        self._options = options
        self._timeout_s = timeout_s
        self._move = move
        self._told = told
        self._movers: dict[str, Mover] = {}

    def watch(self, topic: str, names: Sequence[str]) -> None:
        """These delay topics of it have something in them."""
        if topic not in self._movers:

            async def move(records: Sequence[Delayed]) -> None:
                await self._move(topic, records)

            self._movers[topic] = Mover(topic, self._options, self._timeout_s, move, self._told)
        self._movers[topic].watch(names)

    def refresh(self) -> None:
        """The link was broken."""
        for mover in self._movers.values():
            mover.refresh()

    async def waiting(self) -> int:
        """Records that are not due yet. Raises KafkaError."""
        return sum([await mover.waiting() for mover in self._movers.values()])

    async def close(self) -> None:
        """What waits stays with the broker. Safe twice."""
        movers, self._movers = self._movers, {}
        for mover in movers.values():
            await mover.close()
