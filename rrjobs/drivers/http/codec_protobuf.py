"""The protobuf codec of request contexts and answer heads: `http.v1.Request`, `http.v1.Response`, written by hand.

    message HeaderValue { repeated bytes value = 1; }
    message Request { string remote_addr = 1, protocol = 2, method = 3, uri = 4, raw_query = 7; bool parsed = 8;
        bytes uploads = 9; map<string, HeaderValue> header = 5, cookies = 6, attributes = 10; }
    message Response { int64 status = 1; map<string, HeaderValue> headers = 2; }

Values are bytes and go through as they are; everything else has to be UTF-8.
"""

from collections.abc import Iterable

from rrjobs.drivers.http.text import cleaned, raw_bytes
from rrjobs.protocol.http1.request import Headers

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_ONE_BYTE = tuple(bytes((number,)) for number in range(128))
_INT64_SIGN = 1 << 63


def encode_context(
    remote_addr: str,
    protocol: str,
    method: str,
    uri: str,
    headers: Headers,
    cookies: dict[str, str],
    raw_query: str,
    parsed: bool,
    uploads: bytes,
) -> bytes:
    """The request context; text that is no UTF-8 gets U+FFFD, header and cookie values keep their bytes."""
    parts: list[bytes] = []
    _text(parts, b"\x0a", remote_addr)
    _text(parts, b"\x12", protocol)
    _text(parts, b"\x1a", method)
    _text(parts, b"\x22", uri)
    for name, values in headers.items():
        parts += b"\x2a", _entry(name, values)
    for name, value in cookies.items():
        parts += b"\x32", _entry(name, (value,))
    _text(parts, b"\x3a", raw_query)
    if parsed:
        parts.append(b"\x40\x01")
    if uploads:
        parts += b"\x4a", _size(len(uploads)), uploads
    return b"".join(parts)


def _text(parts: list[bytes], tag: bytes, text: str) -> None:
    if text:
        raw = _utf8(text)
        parts += tag, _size(len(raw)), raw


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return cleaned(text).encode()


def _entry(name: str, values: Iterable[str]) -> bytes:
    key = _utf8(name)
    listed = b"".join([b"\x0a" + _size(len(raw)) + raw for raw in map(raw_bytes, values)])
    body = b"".join((b"\x0a", _size(len(key)), key, b"\x12", _size(len(listed)), listed))
    return _size(len(body)) + body


def _size(number: int) -> bytes:
    if number < 128:
        return _ONE_BYTE[number]
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def decode_head(context: bytes) -> tuple[int, dict[str, list[str]]]:
    """Status and headers of an answer; unknown fields are skipped. Raises ValueError."""
    status = 0
    headers: dict[str, list[str]] = {}
    position = 0
    while position < len(context):
        field, kind, position = _tag(context, position)
        if field == 1 and kind == _VARINT:
            status, position = _varint(context, position)
        elif field == 2 and kind == _BYTES:
            end, position = _bounds(context, position)
            name, values = _read_entry(context, position, end)
            headers[name] = values
            position = end
        else:
            position = _skip(context, position, kind)
    return (status - 2 * _INT64_SIGN if status >= _INT64_SIGN else status), headers


def _read_entry(data: bytes, position: int, end: int) -> tuple[str, list[str]]:
    name, values = "", list[str]()
    while position < end:
        field, kind, position = _tag(data, position)
        if field in (1, 2) and kind == _BYTES:
            stop, position = _bounds(data, position, end)
            if field == 1:
                name = data[position:stop].decode()
            else:
                values += _read_values(data, position, stop)
            position = stop
        else:
            position = _skip(data, position, kind)
    if position != end:
        raise ValueError("a map entry that ends in the middle of a field")
    return name, values


def _read_values(data: bytes, position: int, end: int) -> list[str]:
    values = []
    while position < end:
        field, kind, position = _tag(data, position)
        if field == 1 and kind == _BYTES:
            stop, position = _bounds(data, position, end)
            values.append(data[position:stop].decode("utf-8", "surrogateescape"))
            position = stop
        else:
            position = _skip(data, position, kind)
    if position != end:
        raise ValueError("a header value that ends in the middle of a field")
    return values


def _tag(data: bytes, position: int) -> tuple[int, int, int]:
    number, position = _varint(data, position)
    if not number >> 3:
        raise ValueError("a field without a number")
    return number >> 3, number & 7, position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while shift < 70:
        if position >= len(data):
            raise ValueError("a number that ends too early")
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number & (2 * _INT64_SIGN - 1), position
        shift += 7
    raise ValueError("a number of more than ten bytes")


def _bounds(data: bytes, position: int, limit: int | None = None) -> tuple[int, int]:
    size, position = _varint(data, position)
    end = position + size
    if end > (len(data) if limit is None else limit):
        raise ValueError("a field longer than what holds it")
    return end, position


def _skip(data: bytes, position: int, kind: int) -> int:
    if kind == _VARINT:
        return _varint(data, position)[1]
    if kind == _BYTES:
        return _bounds(data, position)[0]
    if kind not in (_FIXED64, _FIXED32):
        raise ValueError(f"a field of the unknown wire type {kind}")
    end = position + (8 if kind == _FIXED64 else 4)
    if end > len(data):
        raise ValueError("a field longer than what holds it")
    return end
