"""Field tables of AMQP 0-9-1 as RabbitMQ writes them (rabbitmq.com/amqp-0-9-1-errata, section 3)."""

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

MOST_DEPTH = 32
"""Tables in tables deeper than this are nonsense."""


class Decimal(NamedTuple):
    """`value` with the decimal point `scale` digits from its end."""

    scale: int
    value: int


class Moment(NamedTuple):
    """Unix time in seconds."""

    seconds: int


_FIXED: dict[int, tuple[struct.Struct, Callable[[Any], Any] | None]] = {
    ord("t"): (struct.Struct(">?"), None),
    ord("b"): (struct.Struct(">b"), None),
    ord("B"): (struct.Struct(">B"), None),
    ord("s"): (struct.Struct(">h"), None),
    ord("u"): (struct.Struct(">H"), None),
    ord("I"): (struct.Struct(">i"), None),
    ord("i"): (struct.Struct(">I"), None),
    ord("l"): (struct.Struct(">q"), None),
    ord("L"): (struct.Struct(">q"), None),
    ord("f"): (struct.Struct(">f"), None),
    ord("d"): (struct.Struct(">d"), None),
    ord("T"): (struct.Struct(">Q"), Moment),
}
_DECIMAL = struct.Struct(">Bi")
_TEXT, _BYTES, _TABLE, _LIST, _VOID, _DECIMAL_KIND = b"SxFAVD"


def decode_table(data: bytes, at: int, end: int) -> dict[str, Any]:
    """The table whose fields are data[at:end]. Texts that are no UTF-8 have replacement characters.

    Raises ValueError for anything that is not a table.
    """
    try:
        return _table(data, at, end, 0)
    except (IndexError, struct.error) as err:
        raise ValueError("its table of headers is cut off") from err


def _table(data: bytes, at: int, end: int, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while at < end:
        name_at = at + 1
        at = name_at + data[at]
        name = data[name_at:at].decode(errors="replace")
        kind = data[at]
        if kind in (_TEXT, _BYTES):
            value_at = at + 5
            at = value_at + int.from_bytes(data[at + 1 : value_at], "big")
            if at > end:
                raise ValueError("its table of headers is cut off")
            found[name] = data[value_at:at].decode(errors="replace") if kind == _TEXT else data[value_at:at]
        else:
            found[name], at = _value(data, at, end, depth)
    if at != end:
        raise ValueError("its table of headers is cut off")
    return found


def _value(data: bytes, at: int, end: int, depth: int) -> tuple[Any, int]:
    """The value at `at`, and where the next one begins."""
    kind = data[at]
    at += 1
    fixed = _FIXED.get(kind)
    if fixed is not None:
        form, made = fixed
        (value,) = form.unpack_from(data, at)
        return (made(value) if made else value), at + form.size
    if kind == _VOID:
        return None, at
    if kind == _DECIMAL_KIND:
        return Decimal(*_DECIMAL.unpack_from(data, at)), at + _DECIMAL.size
    if kind not in (_TEXT, _BYTES, _TABLE, _LIST):
        raise ValueError(f"its table of headers has a value of unknown kind {chr(kind)!r}")
    begin = at + 4
    stop = begin + int.from_bytes(data[at:begin], "big")
    if stop > end or depth > MOST_DEPTH:
        raise ValueError("its table of headers is cut off or nested too deeply")
    if kind == _TEXT:
        return data[begin:stop].decode(errors="replace"), stop
    if kind == _BYTES:
        return data[begin:stop], stop
    if kind == _TABLE:
        return _table(data, begin, stop, depth + 1), stop
    return _list(data, begin, stop, depth + 1), stop


def _list(data: bytes, at: int, end: int, depth: int) -> list[Any]:
    found = []
    while at < end:
        value, at = _value(data, at, end, depth)
        found.append(value)
    return found


def as_headers(table: Mapping[str, Any]) -> dict[str, list[str]]:
    """A table as RoadRunner shows it to PHP: every value as texts, lists by element, tables flattened."""
    found: dict[str, list[str]] = {}
    for name, value in table.items():
        _show(found, name, value)
    return found


def _show(found: dict[str, list[str]], name: str, value: Any) -> None:
    if isinstance(value, Mapping):
        for inner, held in value.items():
            _show(found, inner, held)
    elif isinstance(value, list):
        for held in value:
            _show(found, name, held)
    elif isinstance(value, bool):
        found[name] = ["true" if value else "false"]
    elif value is not None:
        found.setdefault(name, []).append(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5f}"
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, Decimal):
        return f"{value.value / 10**value.scale:.{value.scale}f}"
    if isinstance(value, Moment):
        return _rfc3339(value.seconds)
    return str(value)


def _rfc3339(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(seconds)
