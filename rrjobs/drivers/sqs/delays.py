"""What to do with a message that came before its time.

Standard queues delay a message up to 15 minutes by themselves. One that is to wait longer comes early: it is hidden
for the rest, 12 hours at most, and when it comes early once more a copy takes its place, so that neither SQS's limit
of 12 hours for one receipt nor the retention period of the queue ends it. Where a redrive policy counts receipts, it
is copied each time. In FIFO queues, which delay no single message, it is hidden, and its group waits with it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rrjobs.drivers.sqs.item import FIRST_RECEIPT, RECEIPTS, due_at, milliseconds
from rrjobs.drivers.sqs.queues import Queue

EARLY_S = 0.5
"""So much too early is in time: SQS counts whole seconds."""

MOST_HIDDEN_S = 43_000
"""A little less than SQS allows."""


class Wait(NamedTuple):
    """Hide the message for `hide_s`, or send a copy with the delay `copy_s` in its place."""

    hide_s: int = 0
    copy_s: float = 0.0


def wait_of(message: Mapping[str, Any], now: float, queue: Queue, *, fifo: bool) -> Wait | None:
    """None when it is to be run now. `now` is unix time in seconds."""
    left_s = due_at(message) - now
    if left_s < EARLY_S:
        return None
    most_s = max(1, min(MOST_HIDDEN_S, queue.retention_s // 2))
    again = receipts(message) > 1
    if (not fifo and (queue.redrive or again)) or (again and left_s > most_s):
        return Wait(copy_s=left_s)
    return Wait(hide_s=max(1, min(most_s, round(left_s))))


def receipts(message: Mapping[str, Any]) -> int:
    """How often it was received, this time included."""
    try:
        return max(1, int((message.get("Attributes") or {}).get(RECEIPTS, 1)))
    except ValueError:
        return 1


def redelivered(message: Mapping[str, Any]) -> int:
    """How often it was received before to be run; a receipt before its time is none of those."""
    earlier = receipts(message) - 1
    due, first = due_at(message), milliseconds(message, FIRST_RECEIPT)
    return earlier - 1 if earlier and due and first < due - EARLY_S else earlier
