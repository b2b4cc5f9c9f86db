"""The dead letters of a pipeline: the durable queue `<queue>.dead`, read by Basic.Get."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from hashlib import blake2b
from typing import Any

from rrjobs.drivers.amqp.client import Client
from rrjobs.drivers.amqp.frames import Content
from rrjobs.drivers.amqp.getting import GetLane
from rrjobs.drivers.amqp.message import text_field
from rrjobs.drivers.amqp.press import Press
from rrjobs.drivers.amqp.properties import decode_header
from rrjobs.drivers.amqp.topology import Topology
from rrjobs.drivers.broker.letter_codec import LETTER, decode_letter, encode_letter
from rrjobs.drivers.broker.letters import HeldLetter
from rrjobs.errors import ConnectionLost
from rrjobs.pipeline.dead_letter import DeadLetter


class AmqpLetters:
    """A LetterStore."""

    def __init__(self, client: Client, press: Press, topology: Topology, pipeline: str, queue: str) -> None:
        self._client = client
        self._press = press
        self._topology = topology
        self._pipeline = pipeline
        self._queue = queue

    async def put(self, letter: DeadLetter) -> None:
        """See LetterStore. The queue is made with the first one."""
        facts = str(encode_letter(letter).attributes[LETTER])
        await self._press.letter(letter.job(), text_field(LETTER, facts))

    async def size(self) -> tuple[int, int]:
        """See LetterStore. RabbitMQ does not tell bytes."""
        return (await self._topology.messages(self._queue) or 0) if self._queue else 0, 0

    @asynccontextmanager
    async def browse(self) -> AsyncIterator[AsyncIterator[HeldLetter]]:
        """See LetterStore."""
        if not (await self.size())[0]:
            yield _none()
            return
        lane = await self._client.lane(GetLane)
        try:
            async with aclosing(self._walk(lane)) as held:
                yield held
        finally:
            with suppress(ConnectionLost):  # then the broker has them back already
                await lane.close()
            self._client.forget(lane)

    async def _walk(self, lane: GetLane) -> AsyncGenerator[HeldLetter, None]:
        async with aclosing(lane.walk(self._queue)) as found:
            async for tag, content in found:
                yield HeldLetter(self._letter(content), partial(lane.ack, tag))

    def _letter(self, content: Content) -> DeadLetter:
        key = blake2b(content.header + content.body, digest_size=8).hexdigest()
        attributes: dict[str, Any] = {}
        with suppress(ValueError):  # somebody else's; its payload is shown
            attributes = decode_header(content.header).headers
        return decode_letter(attributes, content.body, self._pipeline, key)


async def _none() -> AsyncIterator[HeldLetter]:
    nothing: tuple[HeldLetter, ...] = ()
    for letter in nothing:
        yield letter
