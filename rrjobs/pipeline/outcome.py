"""What becomes of a delivery: the values that the pipeline hands to a driver. `fate.py` decides which."""

from dataclasses import dataclass, field
from enum import StrEnum

from rrjobs.pipeline.dead_letter import DeadLetter, Death
from rrjobs.pipeline.job import NO_HEADERS, Headers


class Action(StrEnum):
    """What the driver does with the message."""

    ACK = "ack"  # done with it
    REJECT = "reject"  # the program refused it, with or without redelivery: the broker's own way
    REQUEUE = "requeue"  # a copy with new headers and delay first, then the original is acked
    DEAD = "dead"  # the letter is kept first, then the original is acked


class Counter(StrEnum):
    """The one outcome counter each delivery moves."""

    OK = "ok"
    FAILED = "failed"
    REQUEUED = "requeued"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of one delivery.

    `redeliver` belongs to REJECT; `delay_s` and `headers`, to be laid over the job's own, to REJECT and REQUEUE. With
    `failed` the other run is a retry, not what the program asked for. `death` and `letter` belong to DEAD.
    """

    action: Action
    counter: Counter
    redeliver: bool = False
    delay_s: float = 0.0
    headers: Headers = field(default_factory=lambda: NO_HEADERS)
    reason: str = ""
    failed: bool = False
    death: Death | None = None
    letter: DeadLetter | None = None


DONE = Outcome(Action.ACK, Counter.OK)
SUCCESS_BODY = b'{"type":0,"data":[]}'
