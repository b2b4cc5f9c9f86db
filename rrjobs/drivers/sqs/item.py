"""A job as a message of SQS: attributes and body as RoadRunner writes and reads them (spec/jobs-and-rpc.md 4.4).

SQS takes texts only, of characters that XML has, and not the empty one. Where a payload is something else, its base64
is sent, and the attribute `rr_encoding` says so: RoadRunner, which breaks such payloads, hands its PHP that base64.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from rrjobs.drivers.broker.attributes import AUTO_ACK, DELAY, HEADERS, ID, NAME, NAMES, PRIORITY, encode_headers
from rrjobs.drivers.broker.attributes import job_from as job_of
from rrjobs.pipeline.job import Headers, Job

ENCODING = "rr_encoding"
DUE = "rr_due"
"""The unix time in seconds at which a job is due whose delay SQS cannot keep by itself."""

SENT = "SentTimestamp"
GROUP = "MessageGroupId"
RECEIPTS = "ApproximateReceiveCount"
FIRST_RECEIPT = "ApproximateFirstReceiveTimestamp"
SYSTEM = frozenset(
    {
        SENT,
        GROUP,
        RECEIPTS,
        FIRST_RECEIPT,
        "SenderId",
        "SequenceNumber",
        "MessageDeduplicationId",
        "DeadLetterQueueSourceArn",
    }
)
"""Headers that SQS's own attributes give a received job; a copy of it does not carry them, it gets new ones."""

_OWN = NAMES | {ENCODING, DUE}
_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BASE64, _EMPTY = "base64", "empty"


class Message(NamedTuple):
    """What is sent; `size` counts as SQS counts it, in bytes."""

    body: str
    attributes: dict[str, dict[str, Any]]
    size: int


def encode_job(job: Job, due_at: float = 0.0, more: Mapping[str, bytes] | None = None) -> Message:
    """`due_at`: unix time, where SQS does not keep the whole delay. `more`: further attributes, those of a letter.

    A letter keeps SQS's own headers: they tell that its job was in SQS, and in which group.
    """
    body, encoding = _body(job.payload)
    texts = {ID: job.id or str(uuid4()), NAME: job.name, DELAY: str(int(job.delay_s))}
    texts[AUTO_ACK] = "true" if job.auto_ack else "false"
    if encoding:
        texts[ENCODING] = encoding
    if due_at:
        texts[DUE] = f"{due_at:.3f}"
    headers = job.headers if more else _own_headers(job.headers)
    attributes: dict[str, dict[str, Any]] = {
        name: {"DataType": "String", "StringValue": value} for name, value in texts.items() if value
    }
    attributes[PRIORITY] = {"DataType": "Number", "StringValue": str(job.priority)}
    attributes[HEADERS] = {"DataType": "Binary", "BinaryValue": encode_headers(headers)}
    for name, data in (more or {}).items():
        attributes[name] = {"DataType": "Binary", "BinaryValue": data}
    return Message(body, attributes, len(body.encode()) + sum(map(_size, attributes.items())))


def decode_job(message: Mapping[str, Any], pipeline: str, priority: int) -> Job:
    """The job in a received message; `priority` is for those without one. Raises ValueError when it cannot be read.

    SQS's own attributes are headers too; so are all attributes of a message that somebody else wrote.
    """
    held = message.get("MessageAttributes") or {}
    attributes = plain_attributes(message)
    system = {name: [value] for name, value in (message.get("Attributes") or {}).items()}
    foreign: Headers = {}
    if ID not in held:
        foreign = {name: [_text(value)] for name, value in attributes.items() if name not in _OWN}
    payload = decode_body(message)
    job = job_of(attributes, payload, pipeline, priority, foreign, str(message.get("MessageId") or ""))
    job.headers = {**job.headers, **system}
    job.pushed_at = milliseconds(message, SENT)
    return job


def plain_attributes(message: Mapping[str, Any]) -> dict[str, str | bytes]:
    """The attributes that its sender gave it, by name."""
    found: dict[str, str | bytes] = {}
    for name, held in (message.get("MessageAttributes") or {}).items():
        value = held.get("BinaryValue" if held.get("DataType", "").startswith("Binary") else "StringValue")
        if value is not None:
            found[name] = value
    return found


def decode_body(message: Mapping[str, Any]) -> bytes:
    """The payload. Raises ValueError."""
    body = str(message.get("Body") or "")
    encoding = ((message.get("MessageAttributes") or {}).get(ENCODING) or {}).get("StringValue")
    if encoding is None:
        return body.encode()
    if encoding == _EMPTY:
        return b""
    if encoding != _BASE64:
        raise ValueError(f"{ENCODING} is {encoding}, which this version does not know")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as err:
        raise ValueError(f"the body is not base64, as {ENCODING} says: {err}") from err


def milliseconds(message: Mapping[str, Any], name: str) -> float:
    """A time that SQS tells, as unix time in seconds; 0 when it does not."""
    try:
        return int((message.get("Attributes") or {}).get(name, 0)) / 1000
    except ValueError:
        return 0.0


def due_at(message: Mapping[str, Any]) -> float:
    """When it is due, 0 when SQS keeps its time; whatever cannot be read is due."""
    try:
        return float(((message.get("MessageAttributes") or {}).get(DUE) or {}).get("StringValue") or 0)
    except ValueError:
        return 0.0


def is_copy(job: Job) -> bool:
    """Whether it has been in SQS before: a retry, a replayed letter."""
    return SENT in job.headers


def group_of(job: Job, default: str) -> str:
    """Its group in a FIFO queue."""
    named = job.headers.get(GROUP)
    return named[0] if named and named[0] else default


def _own_headers(headers: Headers) -> Headers:
    if SYSTEM.isdisjoint(headers):
        return headers
    return {name: values for name, values in headers.items() if name not in SYSTEM}


def _body(payload: bytes) -> tuple[str, str]:
    """What SQS can take, and how it was encoded."""
    if not payload:
        return "-", _EMPTY
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = "\0"
    if _UNFIT.search(text):
        return base64.b64encode(payload).decode(), _BASE64
    return text, ""


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


def _size(entry: tuple[str, dict[str, Any]]) -> int:
    name, held = entry
    value = held.get("BinaryValue")
    return len(name) + len(held["DataType"]) + len(value if value is not None else held["StringValue"].encode())
