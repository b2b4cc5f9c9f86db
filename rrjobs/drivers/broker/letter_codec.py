"""A dead letter as a message: the job's own attributes and payload, and all else as JSON in `rr_letter`.

So whoever reads the dead queue without knowing letters finds the job as it was.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from rrjobs.drivers.broker.attributes import attributes_of, job_from
from rrjobs.pipeline.dead_letter import FOREIGN, DeadLetter
from rrjobs.pipeline.job import NO_OPTIONS

LETTER = "rr_letter"


class StoredLetter(NamedTuple):
    """A letter as the broker holds it."""

    attributes: Mapping[str, Any]
    payload: bytes


def encode_letter(letter: DeadLetter) -> StoredLetter:
    """Everything that is known of it."""
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
    return StoredLetter({**attributes_of(letter.job()), LETTER: orjson.dumps(facts).decode()}, letter.payload)


def decode_letter(attributes: Mapping[str, Any], payload: bytes, pipeline: str, key: str) -> DeadLetter:
    """The letter; one that somebody else put there has `key`, and as its reason that it is foreign. Never raises."""
    try:
        job = job_from(attributes, payload, pipeline, 10, identity=key)
        facts = orjson.loads(attributes.get(LETTER) or b"{}")
        facts = facts if isinstance(facts, dict) else {}
    except ValueError:
        job, facts = job_from({}, payload, pipeline, 10, identity=key), {}
    return DeadLetter(
        key=str(facts.get("key") or key),
        id=job.id,
        pipeline=pipeline,
        name=job.name,
        payload=payload,
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
