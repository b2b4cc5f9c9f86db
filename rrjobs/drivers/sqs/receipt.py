"""The handle on one delivery of SQS."""

from dataclasses import dataclass


@dataclass(slots=True)
class Receipt:
    """`handle` answers for this delivery; `ours_until` is the loop's time until which the message surely is ours.

    `stale`: the message was given to somebody else meanwhile.
    """

    message_id: str
    handle: str
    ours_until: float
    stale: bool = False
