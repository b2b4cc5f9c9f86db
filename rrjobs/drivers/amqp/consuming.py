"""A lane that consumes one queue: what it delivered and is not settled, in order of the tags."""

from collections.abc import Callable, Collection, Sequence

from pamqp import commands

from rrjobs.drivers.amqp.frames import CANCEL, DELIVER, Content, ack_frame, delivery_of, nack_frame
from rrjobs.drivers.amqp.lane import Lane, Wire
from rrjobs.errors import ConnectionLost

Receive = Callable[[int, bool, Content], None]
"""Takes tag, `redelivered` and content of each message; neither waits nor raises."""


class ConsumeLane(Lane):
    """`unsettled` are the tags that the broker holds for us."""

    def __init__(self, wire: Wire, number: int) -> None:
        super().__init__(wire, number)
        self._handlers |= {DELIVER: self._delivered, CANCEL: self._cancelled}
        self.unsettled: dict[int, None] = {}
        self._receive: Receive = lambda tag, redelivered, content: None
        self._consumer = ""
        self._queue = ""
        self._tag = 0
        self._redelivered = False

    async def consume(self, queue: str, consumer: str, prefetch: int, receive: Receive) -> None:
        """Begin; at most `prefetch` messages are unsettled at any time. Raises what Lane.call does."""
        self._receive = receive
        self._consumer = consumer
        self._queue = queue
        await self.call(commands.Basic.Qos(prefetch_size=0, prefetch_count=prefetch, global_=False))
        await self.call(commands.Basic.Consume(queue=queue, consumer_tag=consumer))

    async def cease(self) -> None:
        """Nothing is delivered once this returns; what was can be settled."""
        if self._consumer:
            consumer, self._consumer = self._consumer, ""
            await self.call(commands.Basic.Cancel(consumer_tag=consumer))

    def ack(self, tags: Collection[int]) -> None:
        """Done with them: one frame for all the oldest of which none is missing, one for each of the others."""
        frames = []
        wanted = set(tags)
        oldest = 0
        for tag in self.unsettled:
            if tag not in wanted:
                break
            oldest = tag
            wanted.discard(tag)
        if oldest:
            frames.append(ack_frame(self.number, oldest, multiple=True))
        frames += [ack_frame(self.number, tag) for tag in sorted(wanted) if tag in self.unsettled]
        self._settled(tags)
        self._write(frames)

    def nack(self, tags: Sequence[int], *, requeue: bool, last_first: bool = False) -> None:
        """Back into the queue, or rejected.

        A classic queue puts each at its place, and delivers the one that came last at once if there is a consumer; a
        quorum queue puts each behind those that wait.
        """
        here = [tag for tag in sorted(tags, reverse=last_first) if tag in self.unsettled]
        self._settled(here)
        self._write([nack_frame(self.number, tag, requeue) for tag in here])

    def _write(self, frames: Sequence[bytes]) -> None:
        if frames:
            self._wire.write(b"".join(frames))

    def _settled(self, tags: Collection[int]) -> None:
        for tag in tags:
            self.unsettled.pop(tag, None)

    def _delivered(self, payload: bytes) -> None:
        self._tag, self._redelivered = delivery_of(payload)
        self._content = self._message

    def _message(self, content: Content) -> None:
        self.unsettled[self._tag] = None
        self._receive(self._tag, self._redelivered, content)

    def _cancelled(self, payload: bytes) -> None:
        self.end(
            ConnectionLost(
                f"{self._wire.place} cancelled the consumer of queue {self._queue!r}: the queue was deleted, or moved"
            )
        )
