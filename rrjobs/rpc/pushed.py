"""Jobs out of push requests: the hot decoder of the RPC room.

google.protobuf does the parsing (0.9 us a job, faster than a scanner in Python). Names repeat from job to job, so equal
strings are made one: a waiting job then costs nothing for its name and its pipeline.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from rrjobs.errors import RpcError
from rrjobs.pipeline.history import without_history
from rrjobs.pipeline.job import MAX_DELAY_S, NO_HEADERS, NO_OPTIONS, Headers, Job
from rrjobs.pipeline.policy import RETRY, PolicyError, parse_changes

SLICE_BYTES = 256 * 1024
"""A longer batch is taken in slices, so that the event loop is never held for seconds and memory stays bounded."""

MAX_NAMES = 10_000
MAX_NAME_CHARS = 200
"""What of names is kept for the next job; past the count they are forgotten all at once."""

_names: dict[str, str] = {}


def single(request: Any) -> Job:
    """The job of a PushRequest; RpcError when there is none, or in it what cannot be."""
    if not request.HasField("job"):
        raise RpcError("job is required")
    message = request.job
    if not message.id:
        raise RpcError("empty ID field not allowed")
    return _job(message)


def batch(request: Any) -> list[Job]:
    """The jobs of a PushBatchRequest; one without an id gets one. RpcError for what cannot be."""
    return [_job(message) for message in request.jobs]


def slices(body: bytes) -> Iterator[bytes]:
    """A PushBatchRequest's bytes as requests of about SLICE_BYTES, each of whole jobs."""
    start = position = 0
    while position < len(body):
        position = _after_job(body, position)
        if position - start >= SLICE_BYTES:
            yield body[start:position]
            start = position
    if start < position or not body:
        yield body[start:]


def _after_job(body: bytes, position: int) -> int:
    """Where the length-delimited field at `position` ends."""
    if body[position] & 0x07 != 2:
        return len(body)  # no job: the parser decides over what is left
    position += 1
    length = shift = 0
    while position < len(body) and shift < 35:
        byte = body[position]
        position += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return min(position + length, len(body))
    return len(body)


def _job(message: Any) -> Job:
    options = message.options
    name = message.job
    pipeline = options.pipeline
    delay_s = options.delay
    if delay_s:
        delay_s = _delay(message.id, delay_s)
    return Job(
        message.id or str(uuid4()),
        _names.get(name) or _remember(name),
        message.payload,
        _names.get(pipeline) or _remember(pipeline),
        options.priority,
        delay_s,
        options.auto_ack,
        _headers(message.headers) if message.headers else NO_HEADERS,
        _broker_options(options) if options.topic or options.partition or options.offset else NO_OPTIONS,
    )


def _delay(ident: str, delay_s: int) -> int:
    """One in the past is none, as in RoadRunner."""
    if delay_s > MAX_DELAY_S:
        raise RpcError(f"job {ident}: a delay of {delay_s} seconds is more than the longest, 100 years ({MAX_DELAY_S})")
    return max(0, delay_s)


def _remember(name: str) -> str:
    if len(name) > MAX_NAME_CHARS:
        return name
    if len(_names) >= MAX_NAMES:
        _names.clear()
    return _names.setdefault(name, name)


def _headers(found: Any) -> Headers:
    """A pushed job begins anew: what it says of its history is left out, and a retry policy has to be one."""
    headers = {_names.get(key) or _remember(key): list(held.value) for key, held in found.items()}
    if headers.get(RETRY):
        try:
            parse_changes(headers[RETRY][0])
        except PolicyError as err:
            raise RpcError(f"{RETRY}: {err}") from err
    return without_history(headers)


def _broker_options(options: Any) -> Mapping[str, str | int]:
    return {
        "topic": options.topic,
        "metadata": options.metadata,
        "offset": options.offset,
        "partition": options.partition,
    }
