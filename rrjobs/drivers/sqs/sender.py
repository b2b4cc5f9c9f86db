"""Pushes jobs to a queue: batches of ten, many at once; a FIFO queue gets them one batch after the other."""

import math
import re
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import uuid4

from rrjobs.drivers.sqs.api import Api
from rrjobs.drivers.sqs.batches import Batches, Start
from rrjobs.drivers.sqs.config import SqsConfig
from rrjobs.drivers.sqs.item import Message, encode_job, group_of, is_copy
from rrjobs.drivers.sqs.trouble import Kind, Trouble
from rrjobs.errors import PushRefused, PushUnknown
from rrjobs.pipeline.job import Job

MOST_DELAY_S = 900
"""The longest that SQS delays a message; more is done by `delays.py`."""

MOST_MESSAGE_BYTES = 1_048_576
"""The largest message of any queue of SQS, with its attributes."""

REQUESTS = 20
"""Under way at once."""

_ID = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")


class Sender:
    """Of one queue."""

    def __init__(
        self, api: Api, url: str, config: SqsConfig, start: Start, patience_s: float, most_bytes: int = 0
    ) -> None:
        """`most_bytes` of a message, 0 when nobody knows."""
        self._api = api
        self._most_bytes = most_bytes or MOST_MESSAGE_BYTES
        self._config = config
        slots = 1 if config.is_fifo else REQUESTS
        self._batches = Batches(api, "send_message_batch", url, start, slots=slots, patience_s=patience_s)

    async def send(
        self, jobs: Sequence[Job], unique: str = "", more: Mapping[str, bytes] | None = None, group: str = ""
    ) -> None:
        """All of them, confirmed. `unique` names a copy, so that a FIFO queue takes it once; `more` are attributes.

        Raises PushRefused with how many were accepted, PushUnknown, ConnectionLost.
        """
        wanted = [(job, self._message(job, more)) for job in jobs]
        fitting = [(job, message) for job, message in wanted if message.size <= self._most_bytes]
        entries = [self._entry(job, message, unique, group) for job, message in fitting]
        troubles = await self._batches.do(entries, [message.size for _, message in fitting])
        accepted = troubles.count(None)
        for (job, message), trouble in zip(fitting, troubles, strict=True):
            if trouble is not None:
                raise self._refusal(job, message.size, trouble, accepted)
        for job, message in wanted:
            if message.size > self._most_bytes:
                trouble = Trouble(Kind.REFUSED, f"it takes messages of {self._most_bytes} bytes")
                raise self._refusal(job, message.size, trouble, accepted)

    async def ended(self) -> None:
        """Wait until what is under way has its answer."""
        await self._batches.idle()

    def _message(self, job: Job, more: Mapping[str, bytes] | None) -> Message:
        kept_s = 0 if self._config.is_fifo else MOST_DELAY_S
        return encode_job(job, time.time() + job.delay_s if job.delay_s > kept_s else 0.0, more)

    def _entry(self, job: Job, message: Message, unique: str, group: str) -> dict[str, Any]:
        entry: dict[str, Any] = {"MessageBody": message.body, "MessageAttributes": message.attributes}
        group = group or group_of(job, self._config.message_group_id)
        if group:
            entry["MessageGroupId"] = group
        if not self._config.is_fifo:
            entry["DelaySeconds"] = min(MOST_DELAY_S, math.ceil(job.delay_s))
            return entry
        if not group:
            queue = self._config.queue
            raise PushRefused(f"{queue} is a FIFO queue: set `message_group_id` of the pipeline to push to it")
        entry["MessageDeduplicationId"] = _identifier(unique or (str(uuid4()) if is_copy(job) else job.id))
        return entry

    def _refusal(self, job: Job, size: int, trouble: Trouble, accepted: int) -> PushRefused:
        what = f"queue {self._config.queue} does not take job {job.id} of {size} bytes with its attributes"
        text = self._api.said(trouble, what)
        if trouble.kind is Kind.PASSING:
            return PushUnknown(f"unknown whether it was accepted: {text}", accepted=accepted)
        return PushRefused(text, accepted=accepted)


def _identifier(name: str) -> str:
    """As it is where SQS takes it."""
    return name if _ID.fullmatch(name) else sha256(name.encode()).hexdigest()
