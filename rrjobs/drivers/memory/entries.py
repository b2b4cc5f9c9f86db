"""Jobs and dead letters as entries of a journal, and back.

An entry is the length of its head (u32, little endian), the head as a JSON list, and the payload of the job as it is.
Lists may grow at their end; a job without headers and options leaves them out.
"""

from collections.abc import Mapping
from struct import Struct
from typing import Any

import orjson

from rrjobs.pipeline.dead_letter import DeadLetter
from rrjobs.pipeline.job import NO_HEADERS, NO_OPTIONS, Headers, Job

JOB, LETTER, MOVE = 1, 2, 3
"""Kinds of entries; MOVE is there only while entries of another journal are taken up (inherited.py)."""

_LENGTH = Struct("<I")
_pack, _dumps = _LENGTH.pack, orjson.dumps


def encode_job(job: Job, now: float) -> bytes:
    """`now`: unix time, from which its delay counts."""
    due_at = now + job.delay_s if job.delay_s > 0 else 0
    fields = [job.id, job.name, job.priority, due_at, job.auto_ack, job.pushed_at]
    if job.headers is not NO_HEADERS or job.options is not NO_OPTIONS:
        fields += _listed(job.headers), dict(job.options)
    head = _dumps(fields)
    return _pack(len(head)) + head + job.payload


def decode_job(entry: bytes, pipeline: str, now: float) -> Job:
    """The job with what is left of its delay. Raises ValueError."""
    head, payload = _split(entry)
    ident, name, priority, due_at, auto_ack, pushed_at, headers, options = (*head, None, None)[:8]
    job = Job(ident, name, payload, pipeline, priority, 0.0, auto_ack, headers or NO_HEADERS, options or NO_OPTIONS)
    if due_at:
        job.delay_s = max(0.0, due_at - now)
    job.pushed_at = pushed_at
    return job


def encode_letter(letter: DeadLetter) -> bytes:
    """All of it but the pipeline, which its journal has in common."""
    head = orjson.dumps(
        [
            letter.key,
            letter.id,
            letter.name,
            _listed(letter.headers),
            letter.attempts,
            letter.crashes,
            letter.reason,
            letter.error,
            letter.exit_code,
            letter.signal,
            letter.output,
            letter.pushed_at,
            letter.died_at,
            letter.pid,
            letter.priority,
            letter.auto_ack,
            dict(letter.options),
        ]
    )
    return b"".join((_LENGTH.pack(len(head)), head, letter.payload))


def decode_letter(entry: bytes, pipeline: str) -> DeadLetter:
    """Raises ValueError."""
    head, payload = _split(entry)
    key, ident, name, headers, attempts, crashes, reason, error, exit_code, signal, output, *rest = head
    pushed_at, died_at, pid, priority, auto_ack, options = rest[:6]
    return DeadLetter(
        key,
        ident,
        pipeline,
        name,
        payload,
        headers or NO_HEADERS,
        attempts,
        crashes,
        reason,
        error,
        exit_code,
        signal,
        output,
        pushed_at,
        died_at,
        pid,
        priority,
        auto_ack,
        options or NO_OPTIONS,
    )


def _split(entry: bytes) -> tuple[Any, bytes]:
    end = 4 + int(_LENGTH.unpack_from(entry)[0])
    return orjson.loads(entry[4:end]), entry[end:]


def _listed(headers: Headers) -> Mapping[str, list[str]]:
    return {name: list(values) for name, values in headers.items()}
