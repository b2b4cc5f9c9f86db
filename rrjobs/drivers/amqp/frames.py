"""The frames of AMQP 0-9-1 that pass once per message, as bytes; all others are pamqp's (manual: amqp0-9-1, 2.3).

A frame: type u8, channel u16, size u32, payload, 0xCE; all integers big-endian. A message is a method frame, a header
frame, and as many body frames as the agreed frame size needs.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = b"\xce"
FRAME = struct.Struct(">BHI")
OVERHEAD_BYTES = FRAME.size + 1

DELIVER = b"\0\x3c\0\x3c"
RETURN = b"\0\x3c\0\x32"
GET_OK = b"\0\x3c\0\x47"
GET_EMPTY = b"\0\x3c\0\x48"
ACK = b"\0\x3c\0\x50"
NACK = b"\0\x3c\0\x78"
CANCEL = b"\0\x3c\0\x1e"
CHANNEL_CLOSE = b"\0\x14\0\x28"
CONNECTION_CLOSE = b"\0\x0a\0\x32"
CONNECTION_BLOCKED = b"\0\x0a\0\x3c"
CONNECTION_UNBLOCKED = b"\0\x0a\0\x3d"

_PUBLISH = b"\0\x3c\0\x28\0\0"
_MANDATORY = b"\x01"
_CONFIRM = struct.Struct(">QB")
_REPLY = struct.Struct(">BHIIQBB")

MOST_SHORT_BYTES = 255
"""The longest short string: names of queues and exchanges, routing keys."""


class Content(NamedTuple):
    """A message as it travels: the payload of its header frame, and its body."""

    header: bytes
    body: bytes


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """One frame."""
    return b"%b%b\xce" % (FRAME.pack(kind, channel, len(payload)), payload)


def short(text: str) -> bytes:
    """A short string. Raises ValueError when it is too long."""
    data = text.encode()
    if len(data) > MOST_SHORT_BYTES:
        raise ValueError(f"is {len(data)} bytes long, AMQP allows {MOST_SHORT_BYTES}")
    return bytes((len(data),)) + data


def publish_method(channel: int, exchange: str, routing_key: str) -> bytes:
    """The first frame of a published message, mandatory. Raises ValueError when a name is too long."""
    return frame(METHOD, channel, _PUBLISH + short(exchange) + short(routing_key) + _MANDATORY)


def content_frames(channel: int, content: Content, frame_max: int) -> bytes:
    """The frames after the method."""
    header, body = content
    head = frame(HEADER, channel, header)
    room = frame_max - OVERHEAD_BYTES
    if not body:
        return head
    if len(body) <= room:
        return b"%b%b%b\xce" % (head, FRAME.pack(BODY, channel, len(body)), body)
    return head + b"".join(frame(BODY, channel, part) for part in _parts(body, room))


def _parts(body: bytes, room: int) -> Iterator[bytes]:
    for at in range(0, len(body), room):
        yield body[at : at + room]


def ack_frame(channel: int, tag: int, multiple: bool = False) -> bytes:
    """Done with a delivery, or with all up to it."""
    return _REPLY.pack(METHOD, channel, 13, 0x3C0050, tag, multiple, 0xCE)


def nack_frame(channel: int, tag: int, requeue: bool) -> bytes:
    """Back into the queue, or to the queue's own dead letters."""
    return _REPLY.pack(METHOD, channel, 13, 0x3C0078, tag, requeue << 1, 0xCE)


def confirm_of(payload: bytes) -> tuple[int, bool]:
    """Number and `multiple` of a broker's ack or nack."""
    tag, bits = _CONFIRM.unpack_from(payload, 4)
    return tag, bool(bits & 1)


def delivery_of(payload: bytes) -> tuple[int, bool]:
    """Tag and `redelivered` of a Basic.Deliver."""
    at = 5 + payload[4]
    return int.from_bytes(payload[at : at + 8], "big"), bool(payload[at + 8])


def body_size(header: bytes) -> int:
    """Of the message whose header this is."""
    return int.from_bytes(header[4:12], "big")
