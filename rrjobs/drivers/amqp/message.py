"""A job as a message of AMQP, in RoadRunner's table (spec/jobs-and-rpc.md 4.2), and back."""

import secrets
import zlib
from collections.abc import Mapping
from hashlib import blake2b
from itertools import count
from typing import Any, NamedTuple

from rrjobs.drivers.amqp.frames import Content
from rrjobs.drivers.amqp.properties import Properties, decode_header, encode_header
from rrjobs.drivers.amqp.tables import as_headers
from rrjobs.drivers.broker import attributes
from rrjobs.pipeline.history import ATTEMPT
from rrjobs.pipeline.job import NO_HEADERS, Headers, Job

ROUTING_KEY = "x-routing-key"
"""Header of a job that replaces the pipeline's routing key; it does not travel."""

DUE = "rr_due"
"""Unix time in milliseconds before which a message is only passing through: its delay is made of several steps."""

DELIVERY_COUNT = "x-delivery-count"
DELAY_PREFIX = "delayed-"
_DEATH = ("x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason")
_BROKERS_OWN = frozenset(
    {*_DEATH, DELIVERY_COUNT, "x-last-death-exchange", "x-last-death-queue", "x-last-death-reason"}
)
_NOT_TRAVELLING = frozenset({ROUTING_KEY}) | _BROKERS_OWN | attributes.NAMES
_OURS = attributes.NAMES | {DUE, DELIVERY_COUNT}
_MOST_INT32 = 2**31 - 1


OUR_ID = "rrjobs-"
"""What the message ids begin with that we give: each names one message, and no other ever."""


class Received(NamedTuple):
    """A decoded message. `exact`: we made its identity; `earlier` deliveries are known of; `due` is as DUE, or 0."""

    job: Job
    identity: str
    exact: bool
    earlier: int
    due: int


class MessageIds:
    """Makes them."""

    def __init__(self) -> None:
        self._prefix = f"{OUR_ID}{secrets.token_hex(8)}-".encode()
        self._numbers = count(1)

    def next(self) -> bytes:
        """Never given before, here or elsewhere."""
        return b"%b%d" % (self._prefix, next(self._numbers))


def _field(name: str, kind: bytes) -> bytes:
    return bytes((len(name),)) + name.encode() + kind


_ID = _field(attributes.ID, b"S")
_NAME = _field(attributes.NAME, b"S")
_PIPELINE = _field(attributes.PIPELINE, b"S")
_HEADERS = _field(attributes.HEADERS, b"x")
_DELAY = _field(attributes.DELAY, b"I")
_PRIORITY = _field(attributes.PRIORITY, b"l")
_AUTO_ACK = _field(attributes.AUTO_ACK, b"t")
_DUE = _field(DUE, b"l")
_NO_HEADERS_JSON = b"\0\0\0\x02{}"
_NO_DELAY = b"\0\0\0\0"


def _long(data: bytes) -> bytes:
    return b"%b%b" % (len(data).to_bytes(4, "big"), data)


def encode_job(
    job: Job, message_id: bytes, *, now: float, due: int = 0, amqp_priority: int | None = None, extra: bytes = b""
) -> Content:
    """The content of a job. `extra` is further fields of the table."""
    headers = job.headers
    if headers is not NO_HEADERS and not _NOT_TRAVELLING.isdisjoint(headers):
        headers = {name: values for name, values in headers.items() if name not in _NOT_TRAVELLING}
    table = b"".join((
        _ID, _long(job.id.encode()),
        _NAME, _long(job.name.encode()),
        _PIPELINE, _long(job.pipeline.encode()),
        _HEADERS, _long(attributes.encode_headers(headers)) if headers else _NO_HEADERS_JSON,
        _DELAY, min(int(job.delay_s), _MOST_INT32).to_bytes(4, "big") if job.delay_s > 0 else _NO_DELAY,
        _PRIORITY, job.priority.to_bytes(8, "big", signed=True),
        _AUTO_ACK, b"\x01" if job.auto_ack else b"\0",
        extra if not due else extra + _DUE + due.to_bytes(8, "big", signed=True),
    ))  # fmt: skip
    timestamp = int(job.pushed_at or now)
    return Content(encode_header(table, len(job.payload), timestamp, message_id, amqp_priority), job.payload)


def text_field(name: str, value: str) -> bytes:
    """A field of text for `extra`."""
    return _field(name, b"S") + _long(value.encode())


def decode_job(content: Content, redelivered: bool, pipeline: str, priority: int) -> Received:
    """The job in a message of anybody's. Raises ValueError with what cannot be read."""
    properties = decode_header(content.header)
    table = properties.headers
    foreign = foreign_headers(table)
    job = attributes.job_from(table, content.body, pipeline, priority, foreign, properties.message_id)
    job.pushed_at = float(properties.timestamp)
    counted = table.get(DELIVERY_COUNT)
    earlier = counted if isinstance(counted, int) and counted >= 0 else int(redelivered)
    due = table.get(DUE, 0)
    exact = properties.message_id.startswith(OUR_ID)
    identity = properties.message_id if exact else _identity(job, properties, content)
    return Received(job, identity, exact, earlier, due if isinstance(due, int) else 0)


def stand_in(content: Content, pipeline: str, priority: int) -> tuple[Job, str]:
    """A job for what cannot be decoded, and the identity of the message."""
    digest = blake2b(content.body, digest_size=12, key=b"undecodable").hexdigest()
    return attributes.job_from({}, content.body, pipeline, priority, identity=digest), digest


def foreign_headers(table: Mapping[str, Any]) -> Headers:
    """What others wrote into the table, and the broker's own notes where they are not about our delays."""
    shown = {name: value for name, value in table.items() if name not in _OURS}
    if not shown:
        return NO_HEADERS
    first = shown.get("x-first-death-queue")
    if isinstance(first, str) and first.startswith(DELAY_PREFIX):
        shown = {name: value for name, value in shown.items() if name not in _BROKERS_OWN}
    return as_headers(shown) or NO_HEADERS


def _identity(job: Job, properties: Properties, content: Content) -> str:
    """Of a message of others, as good as can be: a copy for another run has another attempt."""
    if attributes.ID not in properties.headers:  # nothing keeps others from giving one id to two messages
        return f"{properties.message_id}/{blake2b(content.body, digest_size=12).hexdigest()}"
    attempt = job.headers.get(ATTEMPT)
    return f"{job.id}/{attempt[0] if attempt else 1}/{zlib.crc32(content.body):x}"


def routing_key_of(job: Job, default: str) -> str:
    """The key that a job asks for, or the pipeline's."""
    if job.headers is NO_HEADERS:
        return default
    asked = job.headers.get(ROUTING_KEY)
    return asked[0] if asked and len(asked) == 1 and asked[0] else default
