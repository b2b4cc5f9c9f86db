"""Go's gob format as it is written: as much of it as a struct of numbers, texts, bytes, lists, maps and structs needs.

A stream is messages, each with its length before it; a message defines a type (a negative id, then a `wireType`) or is
a value (its type's id, then the value). Numbers are one byte below 128, else the negated count of bytes and the bytes,
big-endian; signed ones carry their sign in the lowest bit. Fields at their zero value are left out.
Source: the documentation of Go's package encoding/gob.
"""

from typing import NamedTuple

BOOL, INT, UINT, FLOAT, BYTES, STRING = 1, 2, 3, 4, 5, 6
FIRST_OWN_TYPE = 64


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
