"""How a job is written into a broker's message, and read from it: RoadRunner's names (spec/jobs-and-rpc.md 4).

Drivers whose messages have attributes use these names; what is missing is deduced as RoadRunner does it.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any
from uuid import UUID, uuid4

import orjson

from rrjobs.pipeline.job import NO_HEADERS, Headers, Job

ID = "rr_id"
NAME = "rr_job"
HEADERS = "rr_headers"
PIPELINE = "rr_pipeline"
DELAY = "rr_delay"
PRIORITY = "rr_priority"
AUTO_ACK = "rr_auto_ack"
NAMES = frozenset({ID, NAME, HEADERS, PIPELINE, DELAY, PRIORITY, AUTO_ACK})

DEDUCED = "deduced_by_rr"
"""The name of a job that somebody else wrote."""


def encode_headers(headers: Headers) -> bytes:
    """As JSON, an object of lists."""
    return orjson.dumps({name: list(values) for name, values in headers.items()})


def decode_headers(value: bytes | str) -> Headers:
    """Raises ValueError when it is not an object of lists of texts."""
    if not value:
        return NO_HEADERS
    try:
        found = orjson.loads(value)
    except ValueError as err:
        raise ValueError(f"{HEADERS} is not JSON: {err}") from err
    if found is None:
        return NO_HEADERS
    if not isinstance(found, dict):
        raise ValueError(f"{HEADERS} is not a JSON object")
    for name, values in found.items():
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            raise ValueError(f"{HEADERS}: `{name}` is not a list of texts")
    return found or NO_HEADERS


def attributes_of(job: Job) -> dict[str, Any]:
    """All attributes of a job in RoadRunner's types; a driver converts what its broker cannot carry."""
    return {
        ID: job.id,
        NAME: job.name,
        PIPELINE: job.pipeline,
        HEADERS: encode_headers(job.headers),
        DELAY: int(job.delay_s),
        PRIORITY: job.priority,
        AUTO_ACK: job.auto_ack,
    }


def foreign_id(identity: str, body: bytes) -> str:
    """For a message of somebody else's: the same at every delivery of it, so that logs and dead letters agree.

    `identity` is what its broker calls it, no other message beside it. Where it has no name ("") the id is random: the
    body alone may be that of many messages.
    """
    if not identity:
        return str(uuid4())
    digest = blake2b(identity.encode(errors="surrogatepass") + b"\0" + body, digest_size=16).digest()
    return str(UUID(bytes=digest, version=5))


def job_from(
    attributes: Mapping[str, Any],
    payload: bytes,
    pipeline: str,
    priority: int,
    headers: Headers = NO_HEADERS,
    identity: str = "",
) -> Job:
    """The job in a message. `priority` is for those without one; `headers` lie under those of the job.

    `identity` gives those an id that have none, see `foreign_id`.

    Raises ValueError when an attribute cannot be read.
    """
    own = decode_headers(attributes.get(HEADERS) or b"")
    merged = {**headers, **own} if headers else own
    return Job(
        _text(attributes, ID) or foreign_id(identity, payload),
        _text(attributes, NAME) or DEDUCED,
        payload,
        pipeline,
        _integer(attributes, PRIORITY) or priority,
        0.0,
        _flag(attributes, AUTO_ACK),
        merged or NO_HEADERS,
    )


def _text(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name)
    if isinstance(value, bytes):
        value = value.decode()
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is not a text")
    return value or ""


def _integer(attributes: Mapping[str, Any], name: str) -> int:
    value = attributes.get(name)
    if isinstance(value, str | bytes):
        try:
            return int(value)
        except ValueError:
            return 0
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _flag(attributes: Mapping[str, Any], name: str) -> bool:
    value = attributes.get(name)
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return value.lower() == "true" if isinstance(value, str) else value is True
