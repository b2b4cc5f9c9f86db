"""A dead letter as a message: the job's own attributes and payload, and all else as JSON in `rr_letter`.

So whoever reads the dead queue without knowing letters finds the job as it was. Where a message is nothing but a job,
`rr_letter` is one of its headers.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from rrjobs.drivers.broker.attributes import attributes_of, job_from
from rrjobs.pipeline.dead_letter import FOREIGN, DeadLetter
from rrjobs.pipeline.job import NO_HEADERS, NO_OPTIONS, Job

LETTER = "rr_letter"


class StoredLetter(NamedTuple):
    """A letter as the broker holds it."""

    attributes: Mapping[str, Any]
    payload: bytes


def encode_letter(letter: DeadLetter) -> StoredLetter:
    """Everything that is known of it."""
    return StoredLetter({**attributes_of(letter.job()), LETTER: _facts(letter)}, letter.payload)


def encode_as_job(letter: DeadLetter) -> Job:
    """The same as a job."""
    return letter.job().again(0.0, {LETTER: [_facts(letter)]})


def _facts(letter: DeadLetter) -> str:
    facts = {
        "key": letter.key,
        "attempts": letter.attempts,
        "crashes": letter.crashes,
        "reason": letter.reason,
        "error": letter.error,
        "exit_code": letter.exit_code,
        "signal": letter.signal,
        "output": letter.output,
        "pushed_at": letter.pushed_at,
        "died_at": letter.died_at,
        "pid": letter.pid,
        "options": dict(letter.options),
    }
    return orjson.dumps(facts).decode()


def decode_letter(attributes: Mapping[str, Any], payload: bytes, pipeline: str, key: str) -> DeadLetter:
    """The letter; one that somebody else put there has `key`, and as its reason that it is foreign. Never raises."""
    try:
        job = job_from(attributes, payload, pipeline, 10, identity=key)
        facts = _read(attributes.get(LETTER) or b"{}")
    except ValueError:
        job, facts = job_from({}, payload, pipeline, 10, identity=key), {}
    return _letter(job, facts, pipeline, key)


def decode_from_job(job: Job, pipeline: str, key: str) -> DeadLetter:
    """The same of a letter that is a job."""
    told = job.headers.get(LETTER)
    job.headers = {name: values for name, values in job.headers.items() if name != LETTER} or NO_HEADERS
    try:
        facts = _read(told[0] if told else b"{}")
    except ValueError:
        facts = {}
    return _letter(job, facts, pipeline, key)


def _read(facts: bytes | str) -> dict[str, Any]:
    found = orjson.loads(facts)
    return found if isinstance(found, dict) else {}


def _letter(job: Job, facts: Mapping[str, Any], pipeline: str, key: str) -> DeadLetter:
    return DeadLetter(
        key=str(facts.get("key") or key),
        id=job.id,
        pipeline=pipeline,
        name=job.name,
        payload=job.payload,
        headers=job.headers,
        attempts=int(facts.get("attempts") or 0),
        crashes=int(facts.get("crashes") or 0),
        reason=str(facts.get("reason") or FOREIGN),
        error=str(facts.get("error") or ""),
        exit_code=facts.get("exit_code"),
        signal=facts.get("signal"),
        output=str(facts.get("output") or ""),
        pushed_at=float(facts.get("pushed_at") or 0.0),
        died_at=float(facts.get("died_at") or 0.0),
        pid=int(facts.get("pid") or 0),
        priority=job.priority,
        auto_ack=job.auto_ack,
        options=facts.get("options") or NO_OPTIONS,
    )
