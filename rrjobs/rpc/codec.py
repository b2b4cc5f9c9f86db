"""Which codec a call's body and its reply have, decided from the frame's flags (spec/jobs-and-rpc.md 1.2).

Several bits may be set at once: the Go command line sends gob and proto together, with protobuf bodies. So the bits
are tested in a fixed order, another one for the body than for the reply, and no bit at all means gob.
"""

from enum import IntEnum
from typing import NamedTuple

from rrjobs.protocol.frame import CODEC_GOB, CODEC_JSON, CODEC_MSGPACK, CODEC_PROTO, CODEC_RAW


class Codec(IntEnum):
    """The codecs; the value is the frame's flag."""

    PROTO = CODEC_PROTO
    JSON = CODEC_JSON
    RAW = CODEC_RAW
    MSGPACK = CODEC_MSGPACK
    GOB = CODEC_GOB


SPOKEN = (Codec.PROTO, Codec.JSON, Codec.RAW)
"""What this server reads and writes; gob and msgpack are refused with an error reply."""

_BODY_ORDER = (Codec.PROTO, Codec.JSON, Codec.GOB, Codec.RAW, Codec.MSGPACK)
_REPLY_ORDER = (Codec.PROTO, Codec.JSON, Codec.RAW, Codec.MSGPACK, Codec.GOB)


class Codecs(NamedTuple):
    """The codec of a call's body, that of its reply, and why the call is refused ("" when it is not)."""

    body: Codec
    reply: Codec
    refusal: str


def _decide(flags: int) -> Codecs:
    body = next((codec for codec in _BODY_ORDER if flags & codec), Codec.GOB)
    reply = next((codec for codec in _REPLY_ORDER if flags & codec), Codec.GOB)
    unspoken = next((codec for codec in (body, reply) if codec not in SPOKEN), None)
    if unspoken is None:
        return Codecs(body, reply, "")
    return Codecs(body, reply, f"rpc: the {unspoken.name.lower()} codec is not supported, use proto, json or raw")


BY_FLAGS = tuple(_decide(flags) for flags in range(256))
