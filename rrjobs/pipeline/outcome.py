"""What becomes of a delivery: a pure function from the worker's answer, or its fault, to one outcome.

Source of the rules: spec/jobs-and-rpc.md 3.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import orjson

from rrjobs.pipeline.job import NO_HEADERS, Headers
from rrjobs.worker.load import Fault


class Action(StrEnum):
    """What the driver does with the message."""

    ACK = "ack"  # done with it
    NACK = "nack"  # the execution failed: the driver's own way of failing a message
    REJECT = "reject"  # the program refused it, with or without redelivery
    REQUEUE = "requeue"  # a copy with new headers and delay first, then the original is acked


class Counter(StrEnum):
    """The one outcome counter each delivery moves."""

    OK = "ok"
    FAILED = "failed"
    REQUEUED = "requeued"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of one delivery. `redeliver` belongs to REJECT; `delay_s` and `headers` to REJECT and REQUEUE."""

    action: Action
    counter: Counter
    redeliver: bool = False
    delay_s: float = 0.0
    headers: Headers = field(default_factory=lambda: NO_HEADERS)
    reason: str = ""


DONE = Outcome(Action.ACK, Counter.OK)
FAILED = Outcome(Action.ACK, Counter.FAILED)
SUCCESS_BODY = b'{"type":0,"data":[]}'

_SUCCESS, _ERROR, _ACK, _NACK, _REQUEUE = range(5)


def from_fault(fault: Fault) -> Outcome:
    """An execution without a usable answer fails the delivery."""
    return Outcome(Action.NACK, Counter.ERROR, reason=f"{fault.kind}: {fault.message}")


def from_answer(body: bytes) -> Outcome:
    """The outcome of one well-framed answer. A body that cannot be read is acked and counted as an error."""
    if body == SUCCESS_BODY:
        return DONE
    try:
        answer = orjson.loads(body)
        kind, fields = _read(answer)
        return _of_type(kind, fields)
    except (ValueError, TypeError) as err:
        return Outcome(Action.ACK, Counter.ERROR, reason=f"malformed answer: {err}")


def _read(answer: object) -> tuple[int, Mapping[str, object]]:
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


def _of_type(kind: int, fields: Mapping[str, object]) -> Outcome:
    if kind == _ERROR:
        if _flag(fields, "requeue"):
            return _requeue(fields)
        return Outcome(Action.ACK, Counter.FAILED, reason=_text(fields, "message"))
    if kind == _NACK:
        redeliver = _flag(fields, "requeue")
        counter = Counter.REQUEUED if redeliver else Counter.FAILED
        return Outcome(Action.REJECT, counter, redeliver, _delay(fields), reason=_text(fields, "message"))
    if kind == _REQUEUE:
        return _requeue(fields)
    if kind in (_SUCCESS, _ACK):
        return DONE
    return Outcome(Action.ACK, Counter.OK, reason=f"unknown answer type {kind}")


def _requeue(fields: Mapping[str, object]) -> Outcome:
    return Outcome(
        Action.REQUEUE,
        Counter.REQUEUED,
        redeliver=True,
        delay_s=_delay(fields),
        headers=_headers(fields),
        reason=_text(fields, "message"),
    )


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
    return max(0.0, float(value))


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
