"""The header of a message's content: its properties, of which few count here (amqp0-9-1, 1.8.1)."""

import struct
from typing import Any, NamedTuple

from rrjobs.drivers.amqp.tables import decode_table

_HEAD = struct.Struct(">HHQH")
_TYPE, _ENCODING, _HEADERS, _MODE, _PRIORITY = 0x8000, 0x4000, 0x2000, 0x1000, 0x0800
_CORRELATION, _REPLY_TO, _EXPIRATION, _MESSAGE_ID, _TIMESTAMP = 0x0400, 0x0200, 0x0100, 0x0080, 0x0040
_BASIC = 60
_CONTENT_TYPE = b"\x18application/octet-stream"
_PERSISTENT = b"\x02"


class Properties(NamedTuple):
    """`headers` is the table; `timestamp` unix time in seconds, 0 when there is none."""

    headers: dict[str, Any]
    message_id: str = ""
    timestamp: int = 0


def encode_header(table: bytes, body_bytes: int, timestamp: int, message_id: bytes, priority: int | None) -> bytes:
    """Of a persistent message with these fields in its table."""
    flags = _TYPE | _HEADERS | _MODE | _MESSAGE_ID | _TIMESTAMP | (0 if priority is None else _PRIORITY)
    return b"%b%b%b%b\x02%b%c%b%b" % (
        _HEAD.pack(_BASIC, 0, body_bytes, flags),
        _CONTENT_TYPE,
        len(table).to_bytes(4, "big"),
        table,
        b"" if priority is None else bytes((priority,)),
        len(message_id),
        message_id,
        timestamp.to_bytes(8, "big"),
    )


def decode_header(header: bytes) -> Properties:
    """Raises ValueError when it cannot be read."""
    try:
        return _decode(header)
    except (IndexError, struct.error) as err:
        raise ValueError("its properties are cut off") from err


def _decode(header: bytes) -> Properties:
    flags = int.from_bytes(header[12:14], "big")
    at = 14
    if flags & 1:
        raise ValueError("its properties are of an unknown kind")
    if flags & _TYPE:
        at += 1 + header[at]
    if flags & _ENCODING:
        at += 1 + header[at]
    table: dict[str, Any] = {}
    if flags & _HEADERS:
        begin = at + 4
        at = begin + int.from_bytes(header[at:begin], "big")
        if at > len(header):
            raise ValueError("its table of headers is cut off")
        table = decode_table(header, begin, at)
    if flags & _MODE:
        at += 1
    if flags & _PRIORITY:
        at += 1
    message_id, timestamp = "", 0
    for flag in (_CORRELATION, _REPLY_TO, _EXPIRATION, _MESSAGE_ID):
        if flags & flag:
            begin = at + 1
            at = begin + header[at]
            if flag == _MESSAGE_ID:
                message_id = header[begin:at].decode(errors="replace")
    if flags & _TIMESTAMP:
        timestamp = int.from_bytes(header[at : at + 8], "big")
    return Properties(table, message_id, timestamp)
