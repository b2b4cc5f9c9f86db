"""A job as the body of a beanstalkd job: the gob that RoadRunner writes and reads (spec/jobs-and-rpc.md 4.6).

The field of the headers is `Hdrs` since its version 6; up to 2023.1 it was `Headers`, and in between there was none.
A body that is no such gob is a job of somebody else's, with the body as its payload.
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from rrjobs.drivers.beanstalk import gob
from rrjobs.drivers.beanstalk.gob_reader import GobDecoder
from rrjobs.drivers.broker.attributes import DEDUCED, foreign_id
from rrjobs.pipeline.job import NO_HEADERS, Headers, Job

_ITEM, _OPTIONS, _HEADERS, _TEXTS = range(gob.FIRST_OWN_TYPE, gob.FIRST_OWN_TYPE + 4)

_TYPES = b"".join(
    (
        gob.definition(
            _ITEM,
            gob.Struct(
                "Item",
                (
                    gob.Field("Job", gob.STRING),
                    gob.Field("Ident", gob.STRING),
                    gob.Field("Payload", gob.BYTES),
                    gob.Field("Hdrs", _HEADERS),
                    gob.Field("Options", _OPTIONS),
                ),
            ),
            "Item",
        ),
        gob.definition(_HEADERS, gob.Mapped(gob.STRING, _TEXTS), ""),
        gob.definition(_TEXTS, gob.Listed(gob.STRING), "[]string"),
        gob.definition(
            _OPTIONS,
            gob.Struct(
                "Options",
                (
                    gob.Field("Priority", gob.INT),
                    gob.Field("Pipeline", gob.STRING),
                    gob.Field("Delay", gob.INT),
                    gob.Field("AutoAck", gob.BOOL),
                ),
            ),
            "Options",
        ),
    )
)


_DECODER = GobDecoder()


def encode_job(job: Job) -> bytes:
    """The body."""
    options = _fields(
        gob.signed(job.priority) if job.priority else b"",
        gob.text(job.pipeline.encode()) if job.pipeline else b"",
        gob.signed(int(job.delay_s)) if int(job.delay_s) else b"",
        b"\x01" if job.auto_ack else b"",
    )
    item = _fields(
        gob.text(job.name.encode()) if job.name else b"",
        gob.text(job.id.encode()) if job.id else b"",
        gob.text(job.payload) if job.payload else b"",
        _headers(job.headers) if job.headers else b"",
        options,
    )
    return _TYPES + gob.message(_ITEM, item)


def decode_job(body: bytes, pipeline: str, priority: int, identity: str = "") -> Job:
    """The job in a body, for the pipeline that received it; `priority` is for those without one. Never raises.

    `identity` gives those of somebody else an id.
    """
    try:
        item = _DECODER.decode(body)
        return _job(item, pipeline, priority)
    except (ValueError, TypeError, AttributeError):
        return Job(foreign_id(identity, body), DEDUCED, body, pipeline, priority)


def _job(item: Mapping[str, Any], pipeline: str, priority: int) -> Job:
    if "Ident" not in item and "Job" not in item:
        raise ValueError("the gob is something else")
    options = item.get("Options", {})
    found = item.get("Hdrs") or item.get("Headers") or {}
    headers = {name.decode(): [value.decode() for value in values] for name, values in found.items()}
    return Job(
        item.get("Ident", b"").decode() or str(uuid4()),
        item.get("Job", b"").decode() or DEDUCED,
        item.get("Payload", b""),
        pipeline,
        options.get("Priority", 0) or priority,
        0.0,
        options.get("AutoAck", False),
        headers or NO_HEADERS,
    )


def _fields(*values: bytes) -> bytes:
    """The fields of a struct, of which empty ones are at their zero value."""
    parts: list[bytes] = []
    skipped = 1
    for value in values:
        if value:
            parts += (bytes((skipped,)), value)
            skipped = 1
        else:
            skipped += 1
    return b"".join((*parts, b"\x00"))


def _headers(headers: Headers) -> bytes:
    parts = [gob.unsigned(len(headers))]
    for name, values in headers.items():
        parts += (gob.text(name.encode()), gob.unsigned(len(values)))
        parts += (gob.text(value.encode()) for value in values)
    return b"".join(parts)
