"""Attributes of a queue as files and declarations write them, by the names and values that SQS knows.

RoadRunner's configuration loses the case of keys and drops what it does not know; here the case does not matter, and
what SQS does not know is refused (spec/jobs-and-rpc.md 4.4).
"""

import json
from collections.abc import Mapping

from rrjobs.runtime.values import parse_map, shown

FIFO = ".fifo"

_SETTABLE = (
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
)
_NAMES = {name.lower(): name for name in _SETTABLE}
_TOLD = frozenset(
    {
        "approximatenumberofmessages",
        "approximatenumberofmessagesdelayed",
        "approximatenumberofmessagesnotvisible",
        "createdtimestamp",
        "lastmodifiedtimestamp",
        "queuearn",
    }
)
"""What SQS tells of a queue, and nobody can set."""

_VALUES = {
    "DeduplicationScope": ("messageGroup", "queue"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
    "FifoQueue": ("true", "false"),
    "ContentBasedDeduplication": ("true", "false"),
    "SqsManagedSseEnabled": ("true", "false"),
}
_FIFO_ONLY = ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")


def parse_attributes(value: object) -> dict[str, str]:
    """Attributes by SQS's names. Raises ValueError with what is wrong."""
    found = {}
    for name, held in parse_texts(value).items():
        known = _NAMES.get(name.lower())
        if known is None:
            why = "only tells it, nobody sets it" if name.lower() in _TOLD else f"has {', '.join(_SETTABLE)}"
            raise ValueError(f"`{name}` is no attribute of a new queue: SQS {why}")
        found[known] = _value(known, held)
    return found


def parse_texts(value: object) -> dict[str, str]:
    """A map of texts; numbers, truth values and maps within are written as SQS wants them."""
    entries = parse_map(value)
    if not isinstance(entries, Mapping):
        raise ValueError(f"must be a map of names to texts, got {shown(value)}")
    return {str(name): _text(str(name), held) for name, held in entries.items()}


def check_fifo(queue: str, attributes: Mapping[str, str]) -> None:
    """Raises ValueError when attributes of a FIFO queue are those of a standard one, or the other way round."""
    fifo = queue.endswith(FIFO)
    if attributes.get("FifoQueue", str(fifo).lower()) != str(fifo).lower():
        raise ValueError(f"FifoQueue is {attributes['FifoQueue']}, but the name `{queue}` says otherwise: {_RULE}")
    for name in _FIFO_ONLY:
        if name in attributes and not fifo:
            raise ValueError(f"{name} is for FIFO queues, and `{queue}` is none: {_RULE}")


_RULE = "names of FIFO queues, and no others, end with .fifo"


def _value(name: str, value: str) -> str:
    choices = _VALUES.get(name)
    if choices is None:
        return value
    for choice in choices:
        if value.lower() == choice.lower():
            return choice
    raise ValueError(f"{name} is {' or '.join(choices)}, not {value}")


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Mapping):
        return json.dumps(value)
    raise ValueError(f"the value of {name} must be a text, got {shown(value)}")
