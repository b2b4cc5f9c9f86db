"""Dead letters in a compacted topic of their own, by their keys; one without a value takes a letter out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiokafka.errors as errors
from aiokafka import AIOKafkaConsumer, TopicPartition

from rrjobs.drivers.broker.attributes import ID, attributes_of
from rrjobs.drivers.broker.letter_codec import LETTER, decode_letter, encode_letter
from rrjobs.drivers.broker.letters import HeldLetter
from rrjobs.drivers.kafka.client import said
from rrjobs.drivers.kafka.publishing import Record
from rrjobs.drivers.kafka.record import decode_record, encode_headers
from rrjobs.drivers.kafka.topics import Topics
from rrjobs.errors import DriverError, PushRefused
from rrjobs.pipeline.dead_letter import DeadLetter

SETTINGS = {"cleanup_policy": "compact"}
TAIL_CHARS = 2000
"""What is left of the output of a letter that is too big."""

READ_S = 30.0

Send = Callable[[Sequence[Record]], Awaitable[None]]


class TopicLetters:
    """See LetterStore. `options` are those of a client."""

    def __init__(self, topic: str, pipeline: str, options: Mapping[str, Any], topics: Topics, send: Send) -> None:
        self._topic = topic
        self._pipeline = pipeline
        self._options = options
        self._topics = topics
        self._send = send

    async def put(self, letter: DeadLetter) -> None:
        """See LetterStore. What the worker printed is cut where the letter would be too big."""
        await self._topics.need(self._topic, 1, **SETTINGS)
        try:
            await self._send([self._record(letter)])
        except PushRefused as err:
            if len(letter.output) <= TAIL_CHARS:
                raise
            shorter = replace(letter, output=letter.output[-TAIL_CHARS:], error=letter.error[:TAIL_CHARS])
            try:
                await self._send([self._record(shorter)])
            except PushRefused:
                raise err from None

    @asynccontextmanager
    async def browse(self) -> AsyncIterator[AsyncIterator[HeldLetter]]:
        """See LetterStore."""
        yield self._each(await self._read())

    async def size(self) -> tuple[int, int]:
        """See LetterStore. Reads the topic."""
        held = await self._read()
        return len(held), sum(len(record.value or b"") for record in held.values())

    async def _each(self, held: Mapping[bytes, Any]) -> AsyncIterator[HeldLetter]:
        for key, record in held.items():

            async def remove(key: bytes = key) -> None:
                await self._send([Record(self._topic, 0, key, None, [])])

            yield HeldLetter(_decode(record, self._pipeline), remove)

    async def _read(self) -> dict[bytes, Any]:
        """What is there, oldest first: of each key the last record, none for those that were taken out."""
        held: dict[bytes, Any] = {}
        if self._topics.known(self._topic) is None and await self._topics.look([self._topic]):
            return held
        place = TopicPartition(self._topic, 0)
        consumer = AIOKafkaConsumer(**self._options, group_id=None, auto_offset_reset="earliest")
        try:
            async with asyncio.timeout(READ_S):
                await consumer.start()
                consumer.assign([place])
                end = (await consumer.end_offsets([place]))[place]
                await consumer.seek_to_beginning(place)
                while await consumer.position(place) < end:
                    for records in (await consumer.getmany(timeout_ms=1000)).values():
                        _apply(held, records)
        except (errors.KafkaError, OSError, TimeoutError) as err:
            raise DriverError(f"cannot read topic {self._topic}: {said(err)}") from err
        finally:
            await consumer.stop()
        return held

    def _record(self, letter: DeadLetter) -> Record:
        stored = encode_letter(letter)
        headers = [
            *encode_headers(letter.job()),
            (ID, letter.id.encode()),
            (LETTER, stored.attributes[LETTER].encode()),
        ]
        return Record(self._topic, 0, letter.key.encode(), letter.payload, headers)


def _apply(held: dict[bytes, Any], records: Sequence[Any]) -> None:
    for record in records:
        key = record.key or f"kafka-{record.offset}".encode()
        held.pop(key, None)
        if record.value is not None:
            held[key] = record


def _decode(record: Any, pipeline: str) -> DeadLetter:
    found = {name: value or b"" for name, value in record.headers if name in (ID, LETTER)}
    plain = [(name, value) for name, value in record.headers if name not in found]
    key = (record.key or f"kafka-{record.offset}".encode()).decode(errors="replace")
    try:
        job = decode_record(record.key, record.value, plain, pipeline, 10, key)
    except ValueError:
        job = decode_record(record.key, record.value, (), pipeline, 10, key)
    attributes = {**attributes_of(job), ID: found.get(ID, b"").decode(errors="replace") or job.id}
    facts = found.get(LETTER, b"").decode(errors="replace")
    return decode_letter({**attributes, LETTER: facts}, record.value or b"", pipeline, key)
