"""The worker's answer to a job, read: its bytes to one value (spec/jobs-and-rpc.md 3.3).

Two fields of `data` are ours, and no published package sends them: `retry` is false where another run would be of no
use, or holds values of a retry policy for this job from now on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import orjson

from rrjobs.pipeline.job import MAX_DELAY_S, NO_HEADERS, Headers
from rrjobs.pipeline.policy import Changes, PolicyError, checked_changes

NO_CHANGES: Changes = {}


class Kind(IntEnum):
    """`type` of the answer; a program may send others."""

    SUCCESS = 0
    ERROR = 1
    ACK = 2
    NACK = 3
    REQUEUE = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """What the program said. `final`: it wants no other run; `retry`: by these values instead of the pipeline's."""

    kind: int
    message: str = ""
    requeue: bool = False
    delay_s: float = 0.0
    headers: Headers = field(default_factory=lambda: NO_HEADERS)
    final: bool = False
    retry: Changes = field(default_factory=lambda: NO_CHANGES)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A well-framed answer that says nothing."""

    reason: str


def read_answer(body: bytes) -> Answer | Unreadable:
    """Never raises."""
    try:
        answer = orjson.loads(body)
        kind, fields = _parts(answer)
        return _answer(kind, fields)
    except (ValueError, TypeError, PolicyError) as err:
        return Unreadable(f"malformed answer: {err}")


def _parts(answer: object) -> tuple[int, Mapping[str, object]]:
    if not isinstance(answer, dict):
        raise TypeError("the answer is not a JSON object")
    kind = answer.get("type")
    if type(kind) is not int:
        raise TypeError("`type` is not an integer")
    fields = answer.get("data")
    if not fields:
        return kind, {}
    if not isinstance(fields, dict):
        raise TypeError("`data` is not a JSON object")
    return kind, fields


def _answer(kind: int, fields: Mapping[str, object]) -> Answer:
    if kind not in (Kind.ERROR, Kind.NACK, Kind.REQUEUE):
        return Answer(kind)
    final, retry = (False, NO_CHANGES) if kind == Kind.REQUEUE else _retry(fields)
    return Answer(
        kind,
        _text(fields, "message"),
        kind == Kind.REQUEUE or _flag(fields, "requeue"),
        _delay(fields),
        NO_HEADERS if kind == Kind.NACK else _headers(fields),
        final,
        retry,
    )


def _retry(fields: Mapping[str, object]) -> tuple[bool, Changes]:
    value = fields.get("retry")
    if value is None or isinstance(value, bool):
        return value is False, NO_CHANGES
    if not isinstance(value, dict):
        raise TypeError("`retry` is neither false nor an object")
    return False, checked_changes(value)


def _text(fields: Mapping[str, object], key: str) -> str:
    value = fields.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"`{key}` is not a string")
    return value


def _flag(fields: Mapping[str, object], key: str) -> bool:
    value = fields.get(key)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise TypeError(f"`{key}` is not a boolean")
    return value


def _delay(fields: Mapping[str, object]) -> float:
    value = fields.get("delay_seconds")
    if value is None:
        return 0.0
    if type(value) is not int:
        raise TypeError("`delay_seconds` is not an integer")
    return float(max(0, min(value, MAX_DELAY_S)))


def _headers(fields: Mapping[str, object]) -> Headers:
    value = fields.get("headers")
    if not value:
        return NO_HEADERS
    if not isinstance(value, dict):
        raise TypeError("`headers` is not an object of lists")
    for name, values in value.items():
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            raise TypeError(f"header `{name}` is not a list of strings")
    return value
