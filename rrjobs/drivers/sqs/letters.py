"""Dead letters in a queue of their own, `<queue>-dead`: the job as it was, and all else in the attribute `rr_letter`.

SQS keeps them for 14 days, not longer.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any

from rrjobs.drivers.broker.letter_codec import LETTER, decode_letter, encode_letter
from rrjobs.drivers.broker.letters import HeldLetter
from rrjobs.drivers.sqs.api import CALL_S, Api
from rrjobs.drivers.sqs.batches import Start
from rrjobs.drivers.sqs.config import MOST_AT_ONCE, SqsConfig
from rrjobs.drivers.sqs.holds import Holds
from rrjobs.drivers.sqs.item import decode_body, plain_attributes
from rrjobs.drivers.sqs.queues import Queues, dead_name
from rrjobs.drivers.sqs.receipt import Receipt
from rrjobs.drivers.sqs.sender import Sender
from rrjobs.errors import ConnectionLost, DriverError, PushRefused
from rrjobs.pipeline.dead_letter import DeadLetter

LOOK_S = 120
"""Letters are hidden from other looks for so long, unless this one ends sooner."""

WAIT_S = 1
"""A request that waits asks all of SQS; one that does not asks a part of it, and may find nothing."""

PATIENCE_S = 10.0
TAIL_CHARS = 2000
"""What is left of the output of a letter that is too big for SQS."""


class QueueLetters:
    """See LetterStore. The queue is made with the first letter."""

    def __init__(self, api: Api, queues: Queues, config: SqsConfig, pipeline: str, start: Start) -> None:
        self._api = api
        self._queues = queues
        self._config = config.model_copy(update={"queue": dead_name(config.queue)})
        self._pipeline = pipeline
        self._start = start
        self._sender: Sender | None = None

    async def put(self, letter: DeadLetter) -> None:
        """See LetterStore. What the worker printed is cut where the letter would be too big."""
        try:
            await self._put(letter)
        except PushRefused as err:
            if len(letter.output) <= TAIL_CHARS:
                raise
            shorter = replace(letter, output=letter.output[-TAIL_CHARS:], error=letter.error[:TAIL_CHARS])
            try:
                await self._put(shorter)
            except PushRefused:
                raise err from None

    @asynccontextmanager
    async def browse(self) -> AsyncIterator[AsyncIterator[HeldLetter]]:
        """See LetterStore. Letters are hidden while they are looked at: another look sees the others only."""
        url = await self._queues.dead(make=False)
        looked: dict[str, Receipt] = {}
        holds = Holds(self._api, url, self._start, LOOK_S)
        try:
            yield self._each(url, holds, looked)
        finally:
            if looked:
                await holds.back(list(looked.values()))

    async def size(self) -> tuple[int, int]:
        """See LetterStore; SQS does not tell bytes."""
        url = await self._queues.dead(make=False)
        return sum(await self._queues.counts(url, PATIENCE_S)) if url else 0, 0

    async def _put(self, letter: DeadLetter) -> None:
        if self._sender is None:
            url = await self._queues.dead(make=True)
            self._sender = Sender(self._api, url, self._config, self._start, PATIENCE_S)
        facts = encode_letter(letter).attributes[LETTER].encode()
        try:
            await self._sender.send((letter.job(),), letter.key, {LETTER: facts}, group=self._group(letter))
        except ConnectionLost:
            self._sender = None
            raise

    def _group(self, letter: DeadLetter) -> str:
        """One of its own: of a group SQS gives nothing while a message of it is looked at."""
        return sha256(letter.key.encode()).hexdigest()[:32] if self._config.is_fifo else ""

    async def _each(self, url: str, holds: Holds, looked: dict[str, Receipt]) -> AsyncIterator[HeldLetter]:
        seen: set[str] = set()
        while url:
            messages = await self._receive(url)
            fresh = [one for one in messages if one["MessageId"] not in seen]
            if not fresh:
                return
            for message in fresh:
                receipt = holds.received(message)
                seen.add(receipt.message_id)
                looked[receipt.message_id] = receipt
            for message in fresh:
                receipt = looked[str(message["MessageId"])]

                async def remove(receipt: Receipt = receipt) -> None:
                    if await holds.delete([receipt]):
                        raise DriverError("the letter was taken by somebody else meanwhile")
                    looked.pop(receipt.message_id, None)

                yield HeldLetter(self._letter(message), remove)

    async def _receive(self, url: str) -> Sequence[dict[str, Any]]:
        answer = await self._api.call(
            "receive_message",
            patience_s=PATIENCE_S,
            limit_s=WAIT_S + CALL_S,
            QueueUrl=url,
            MaxNumberOfMessages=MOST_AT_ONCE,
            VisibilityTimeout=LOOK_S,
            WaitTimeSeconds=WAIT_S,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: Sequence[dict[str, Any]] = answer.get("Messages") or ()
        return messages

    def _letter(self, message: dict[str, Any]) -> DeadLetter:
        key = f"sqs-{message['MessageId']}"
        try:
            payload = decode_body(message)
        except ValueError:
            payload = str(message.get("Body") or "").encode()
        return decode_letter(plain_attributes(message), payload, self._pipeline, key)
