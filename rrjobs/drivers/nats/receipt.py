"""The handle on one delivery of JetStream: its place in the stream, how often it was delivered, how it is answered."""

from typing import NamedTuple

import orjson


class Receipt(NamedTuple):
    """`reply` is the subject that answers go to; `delivered` counts from 1; `pushed_at` is unix time in seconds."""

    reply: str
    sequence: int
    delivered: int
    pushed_at: float


ACK = b"+ACK"
NAK = b"-NAK"
TERM = b"+TERM"
ALIVE = b"+WPI"


def receipt_of(reply: str) -> Receipt:
    """From the words of the reply subject: with or without the domain and the account in them."""
    words = reply.split(".")
    at = 4 if len(words) < 11 else 6
    return Receipt(reply, int(words[at + 1]), int(words[at]), int(words[at + 3]) / 1e9)


MAX_NAK_NS = 2**62
"""146 years; the server counts in 64 bits."""


def nak_in(delay_s: float) -> bytes:
    """Deliver it again after so long."""
    return NAK if delay_s <= 0 else NAK + b" " + orjson.dumps({"delay": min(int(delay_s * 1e9), MAX_NAK_NS)})
