"""A job as a message of JetStream: the JSON that RoadRunner writes and reads (spec/jobs-and-rpc.md 4.5).

RoadRunner keeps a job's headers in those of NATS, a line for each value. What these cannot carry would be lost: all
stand in the JSON under `headers` too, which RoadRunner passes over. A body that is no such JSON is a job of somebody
else's.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson

from rrjobs.drivers.broker.attributes import DEDUCED, foreign_id
from rrjobs.pipeline.job import NO_HEADERS, Headers, Job

SUBJECT = "x-nats-subject"
ORDERS = "nats-"
"""NATS headers that begin so, in any case, tell the server what to do with the message."""

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def encode_job(job: Job) -> bytes:
    """The body."""
    item: dict[str, Any] = {
        "job": job.name,
        "id": job.id,
        "payload": base64.b64encode(job.payload).decode(),
        "options": {
            "priority": job.priority,
            "pipeline": job.pipeline,
            "delay": int(job.delay_s),
            "auto_ack": job.auto_ack,
        },
    }
    if job.headers:
        item["headers"] = {name: list(values) for name, values in job.headers.items()}
    return orjson.dumps(item)


def nats_headers(headers: Headers) -> Headers | None:
    """What NATS can carry of a job's headers: those whose names are plain.

    A copy of a job that came from NATS has no orders to the server: with the message id of its original it would count
    as a duplicate, and be dropped.
    """
    is_copy = SUBJECT in headers
    found = {
        name: values
        for name, values in headers.items()
        if values and name and _TOKEN.issuperset(name) and not (is_copy and name.lower().startswith(ORDERS))
    }
    return found or None


def decode_job(
    data: bytes, subject: str, headers: Headers | None, pipeline: str, priority: int, identity: str = ""
) -> Job:
    """The job in a message; `priority` is for those without one. Raises ValueError when it says it is one, and is none.

    Whoever reads its headers finds the subject among them. `identity` gives those an id that have none.
    """
    item = _item(data)
    around = {name: values for name, values in (headers or {}).items() if not name.lower().startswith(ORDERS)}
    if item is None:
        return Job(
            foreign_id(identity, data), DEDUCED, data, pipeline, priority, headers={**around, SUBJECT: [subject]}
        )
    options = item.get("options")
    if options is not None and not isinstance(options, dict):
        raise ValueError("`options` is not an object")
    own = _headers(item.get("headers"))
    return Job(
        _text(item, "id") or foreign_id(identity, data),
        _text(item, "job") or DEDUCED,
        _payload(item.get("payload")),
        pipeline,
        _integer(options or {}, "priority") or priority,
        0.0,
        (options or {}).get("auto_ack") is True,
        {**around, **own, SUBJECT: [subject]},
    )


def _item(data: bytes) -> dict[str, Any] | None:
    """None for whatever is no item."""
    if not data.startswith(b"{"):
        return None
    try:
        item = orjson.loads(data)
    except ValueError:
        return None
    return item if isinstance(item, dict) and "payload" in item and ("job" in item or "id" in item) else None


def _payload(value: Any) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str):
        raise ValueError("`payload` is not a text")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as err:
        raise ValueError(f"`payload` is not base64: {err}") from err


def _headers(value: Any) -> Headers:
    if not value:
        return NO_HEADERS
    if not isinstance(value, dict):
        raise ValueError("`headers` is not an object")
    for name, values in value.items():
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            raise ValueError(f"header `{name}` is not a list of texts")
    return value


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"`{name}` is not a text")
    return value or ""


def _integer(item: Mapping[str, Any], name: str) -> int:
    value = item.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
