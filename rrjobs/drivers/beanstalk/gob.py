"""Go's gob format, as much of it as a struct of numbers, texts, bytes, lists, maps and structs needs.

A stream is messages, each with its length before it; a message defines a type (a negative id, then a `wireType`) or is
a value (its type's id, then the value). Numbers are one byte below 128, else the negated count of bytes and the bytes,
big-endian; signed ones carry their sign in the lowest bit. Fields at their zero value are left out.
Source: the documentation of Go's package encoding/gob.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

BOOL, INT, UINT, FLOAT, BYTES, STRING = 1, 2, 3, 4, 5, 6
FIRST_OWN_TYPE = 64
MAX_DEPTH = 32
MAX_ITEMS = 1_000_000


class Field(NamedTuple):
    """A field of a struct: its name in Go, and the id of its type."""

    name: str
    type: int


class Struct(NamedTuple):
    """A struct type."""

    name: str
    fields: tuple[Field, ...]


class Listed(NamedTuple):
    """A slice or array of one type."""

    element: int


class Mapped(NamedTuple):
    """A map."""

    key: int
    element: int


Type = Struct | Listed | Mapped


class _Reader:
    """Bytes with a place in them. Raises ValueError for everything that cannot be."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._data)

    def take(self, size: int) -> bytes:
        if size < 0 or size > len(self._data) - self._at:
            raise ValueError("the gob ends too early")
        self._at += size
        return self._data[self._at - size : self._at]

    def unsigned(self) -> int:
        first = self.take(1)[0]
        if first < 128:
            return first
        size = 256 - first
        if size > 8:
            raise ValueError("a number of the gob is too long")
        return int.from_bytes(self.take(size), "big")

    def signed(self) -> int:
        value = self.unsigned()
        return ~(value >> 1) if value & 1 else value >> 1

    def count(self) -> int:
        found = self.unsigned()
        if found > MAX_ITEMS:
            raise ValueError("the gob has too many elements")
        return found


_COMMON = Struct("CommonType", (Field("Name", STRING), Field("Id", INT)))
_WIRE: dict[int, Type] = {
    16: Struct(
        "wireType",
        (Field("ArrayT", 17), Field("SliceT", 19), Field("StructT", 20), Field("MapT", 23)),
    ),
    17: Struct("arrayType", (Field("CommonType", 18), Field("Elem", INT), Field("Len", INT))),
    18: _COMMON,
    19: Struct("sliceType", (Field("CommonType", 18), Field("Elem", INT))),
    20: Struct("structType", (Field("CommonType", 18), Field("Field", 22))),
    21: Struct("fieldType", (Field("Name", STRING), Field("Id", INT))),
    22: Listed(21),
    23: Struct("mapType", (Field("CommonType", 18), Field("Key", INT), Field("Elem", INT))),
}
"""What a definition of a type is made of, which every decoder knows."""


def decode(data: bytes) -> Mapping[str, Any]:
    """The first struct in a stream, as its fields by name. Raises ValueError for whatever is none."""
    types = dict(_WIRE)
    stream = _Reader(data)
    while not stream.ended:
        message = _Reader(stream.take(stream.unsigned()))
        number = message.signed()
        if number < 0:
            types[-number] = _defined(_value(message, 16, types, 0))
            continue
        value = _value(message, number, types, 0)
        if not isinstance(value, dict) or not message.ended:
            raise ValueError("the gob is not one struct")
        return value
    raise ValueError("the gob has no value")


def _defined(wire: Any) -> Type:
    if "StructT" in wire:
        fields = wire["StructT"].get("Field", [])
        name = wire["StructT"].get("CommonType", {}).get("Name", b"")
        return Struct(_text(name), tuple(Field(_text(one.get("Name", b"")), one.get("Id", 0)) for one in fields))
    if "MapT" in wire:
        return Mapped(wire["MapT"].get("Key", 0), wire["MapT"].get("Elem", 0))
    for kind in ("SliceT", "ArrayT"):
        if kind in wire:
            return Listed(wire[kind].get("Elem", 0))
    raise ValueError("the gob has a type that encodes itself")


def _value(reader: _Reader, number: int, types: Mapping[int, Type], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError("the gob is too deep")
    if number in (BYTES, STRING):
        return reader.take(reader.unsigned())
    if number == INT:
        return reader.signed()
    if number == UINT:
        return reader.unsigned()
    if number == BOOL:
        return reader.unsigned() != 0
    if number == FLOAT:
        return reader.unsigned()
    found = types.get(number)
    if isinstance(found, Struct):
        return _struct(reader, found, types, depth)
    if isinstance(found, Listed):
        return [_value(reader, found.element, types, depth + 1) for _ in range(reader.count())]
    if isinstance(found, Mapped):
        pairs = range(reader.count())
        return {
            _value(reader, found.key, types, depth + 1): _value(reader, found.element, types, depth + 1) for _ in pairs
        }
    raise ValueError(f"the gob has a type that it does not define: {number}")


def _struct(reader: _Reader, kind: Struct, types: Mapping[int, Type], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = -1
    while step := reader.unsigned():
        at += step
        if at >= len(kind.fields):
            raise ValueError(f"the gob has a field that {kind.name} has not")
        name, number = kind.fields[at]
        found[name] = _value(reader, number, types, depth + 1)
    return found


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def unsigned(value: int) -> bytes:
    """A number from 0 to 2**64 - 1."""
    if value < 128:
        return bytes((value,))
    size = (value.bit_length() + 7) // 8
    return bytes((256 - size,)) + value.to_bytes(size, "big")


def signed(value: int) -> bytes:
    """A number of 64 bits with its sign."""
    return unsigned(~value << 1 | 1 if value < 0 else value << 1)


def text(value: bytes) -> bytes:
    """A text or bytes."""
    return unsigned(len(value)) + value


def message(number: int, value: bytes) -> bytes:
    """One message of a stream."""
    body = signed(number) + value
    return unsigned(len(body)) + body


def definition(number: int, kind: Type, name: str) -> bytes:
    """The message that defines a type."""
    common = b"\x01" + (b"\x01" + text(name.encode()) if name else b"")
    common += (b"\x01" if name else b"\x02") + signed(number) + b"\x00"
    if isinstance(kind, Struct):
        fields = b"".join(
            b"\x01" + text(one.name.encode()) + b"\x01" + signed(one.type) + b"\x00" for one in kind.fields
        )
        return message(-number, b"\x03" + common + b"\x01" + unsigned(len(kind.fields)) + fields + b"\x00\x00")
    if isinstance(kind, Mapped):
        return message(
            -number, b"\x04" + common + b"\x01" + signed(kind.key) + b"\x01" + signed(kind.element) + b"\x00\x00"
        )
    return message(-number, b"\x02" + common + b"\x01" + signed(kind.element) + b"\x00\x00")
