"""Dead letters in a tube of their own: the job as RoadRunner writes it, with all else in its header `rr_letter`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from rrjobs.drivers.beanstalk.item import decode_job, encode_job
from rrjobs.drivers.beanstalk.reserver import parse_stats
from rrjobs.drivers.beanstalk.wire import Wire
from rrjobs.drivers.broker.letter_codec import decode_from_job, encode_as_job
from rrjobs.drivers.broker.letters import HeldLetter
from rrjobs.errors import PushRefused
from rrjobs.pipeline.dead_letter import DeadLetter

Put = Callable[[Sequence[bytes]], Awaitable[None]]

TAIL_CHARS = 2000
"""What is left of the output of a letter that is too big for beanstalkd."""


class TubeLetters:
    """See LetterStore. `open_wire` makes a wire for a look, `live` has one for questions, `put` fills the tube."""

    def __init__(
        self, tube: str, pipeline: str, open_wire: Callable[[], Awaitable[Wire]], live: Callable[[], Wire], put: Put
    ) -> None:
        self._tube = tube
        self._pipeline = pipeline
        self._open_wire = open_wire
        self._live = live
        self._put = put

    async def put(self, letter: DeadLetter) -> None:
        """See LetterStore. What the worker printed is cut where the letter would be too big."""
        try:
            await self._put([encode_job(encode_as_job(letter))])
        except PushRefused as err:
            if len(letter.output) <= TAIL_CHARS:
                raise
            shorter = replace(letter, output=letter.output[-TAIL_CHARS:], error=letter.error[:TAIL_CHARS])
            try:
                await self._put([encode_job(encode_as_job(shorter))])
            except PushRefused:
                raise err from None

    @asynccontextmanager
    async def browse(self) -> AsyncIterator[AsyncIterator[HeldLetter]]:
        """See LetterStore. Letters are reserved while they are looked at: another look sees the others only."""
        wire = await self._open_wire()
        try:
            await wire.ask(b"watch %b\r\n" % self._tube.encode())
            await wire.ask(b"ignore default\r\n")
            yield self._each(wire)
        finally:
            wire.close()

    async def size(self) -> tuple[int, int]:
        """See LetterStore; beanstalkd does not tell bytes."""
        found = parse_stats((await self._live().ask(b"stats-tube %b\r\n" % self._tube.encode())).body)
        return found.get("current-jobs-ready", 0) + found.get("current-jobs-reserved", 0), 0

    async def _each(self, wire: Wire) -> AsyncIterator[HeldLetter]:
        while (reply := await wire.ask(b"reserve-with-timeout 0\r\n")).word == b"RESERVED":
            number = int(reply.args[0])

            async def remove(number: int = number) -> None:
                await wire.ask(b"delete %d\r\n" % number)

            key = f"beanstalk-{number}"
            job = decode_job(reply.body, self._pipeline, 10, key)
            yield HeldLetter(decode_from_job(job, self._pipeline, key), remove)
