"""Go's gob format as it is read; `gob` tells of the format.

Each type that a stream defines becomes a function that reads its values. Streams of one program begin with the same
definitions, byte for byte: a decoder keeps the functions of the last few beginnings.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from rrjobs.drivers.beanstalk.gob import BOOL, BYTES, FLOAT, INT, STRING, UINT, Field, Listed, Mapped, Struct

MAX_DEPTH = 32
MAX_ITEMS = 1_000_000
BEGINNINGS = 16
MAX_BEGINNING = 4096

Read = Callable[[bytes, int, int], tuple[Any, int]]
"""(data, place, depth) -> (value, place behind it). Raises IndexError at the end of the data, ValueError otherwise."""

Readers = dict[int, Read]
"""By the numbers of their types."""


class GobDecoder:
    """Keeps what it learned of a few beginnings; gives structs as dicts of their fields by name."""

    def __init__(self) -> None:
        self._known: deque[tuple[bytes, Readers]] = deque(maxlen=BEGINNINGS)

    def decode(self, data: bytes) -> Mapping[str, Any]:
        """The first struct in a stream. Raises ValueError for whatever is none."""
        try:
            return self._decoded(data)
        except IndexError as err:
            raise ValueError("the gob ends too early") from err

    def _decoded(self, data: bytes) -> Mapping[str, Any]:
        for beginning, readers in self._known:
            if data.startswith(beginning):
                number, at, end = _message(data, len(beginning))
                if number >= 0:
                    return _whole(data, at, end, number, readers)
        return self._learned(data)

    def _learned(self, data: bytes) -> Mapping[str, Any]:
        readers = dict(_BASIC)
        start = 0
        while start < len(data):
            number, at, end = _message(data, start)
            if number >= 0:
                value = _whole(data, at, end, number, readers)
                if start <= MAX_BEGINNING:
                    self._known.appendleft((data[:start], readers))
                return value
            wire, at = _DEFINITION(data, at, 0)
            if at > end:
                raise ValueError("a definition of the gob is longer than said")
            readers[-number] = _defined(wire, readers)
            start = end
        raise ValueError("the gob has no value")


def _message(data: bytes, start: int) -> tuple[int, int, int]:
    """The number of what is in a message, where that is, and where the message ends."""
    size, at = _unsigned(data, start, 0)
    number, begin = _signed(data, at, 0)
    return number, begin, at + size


def _whole(data: bytes, at: int, end: int, number: int, readers: Readers) -> Mapping[str, Any]:
    value, at = _reader(readers, number)(data, at, 0)
    if at != end or not isinstance(value, dict):
        raise ValueError("the gob is not one struct")
    return value


def _unsigned(data: bytes, at: int, depth: int) -> tuple[int, int]:
    first = data[at]
    if first < 128:
        return first, at + 1
    end = at + 257 - first
    if first < 248:
        raise ValueError("a number of the gob is too long")
    if end > len(data):
        raise IndexError
    return int.from_bytes(data[at + 1 : end], "big"), end


def _signed(data: bytes, at: int, depth: int) -> tuple[int, int]:
    value, at = _unsigned(data, at, depth)
    return ~(value >> 1) if value & 1 else value >> 1, at


def _flag(data: bytes, at: int, depth: int) -> tuple[bool, int]:
    value, at = _unsigned(data, at, depth)
    return value != 0, at


def _text(data: bytes, at: int, depth: int) -> tuple[bytes, int]:
    size = data[at]
    if size < 128:
        at += 1
    else:
        size, at = _unsigned(data, at, depth)
    end = at + size
    if end > len(data):
        raise IndexError
    return data[at:end], end


def _count(data: bytes, at: int) -> tuple[int, int]:
    found, at = _unsigned(data, at, 0)
    if found > MAX_ITEMS:
        raise ValueError("the gob has too many elements")
    return found, at


def _reader(readers: Readers, number: int) -> Read:
    found = readers.get(number)
    if found is None:
        raise ValueError(f"the gob has a type that it does not define: {number}")
    return found


def _deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise ValueError("the gob is too deep")
    return depth + 1


def _of_struct(kind: Struct, readers: Readers) -> Read:
    """`readers` is looked at when a value is read: types may be defined in any order."""
    fields = kind.fields

    def read(data: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
        depth = _deeper(depth)
        found: dict[str, Any] = {}
        field = -1
        while True:
            step, at = _unsigned(data, at, depth)
            if not step:
                return found, at
            field += step
            if field >= len(fields):
                raise ValueError(f"the gob has a field that {kind.name} has not")
            name, number = fields[field]
            found[name], at = _reader(readers, number)(data, at, depth)

    return read


def _of_list(kind: Listed, readers: Readers) -> Read:
    def read(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
        depth = _deeper(depth)
        count, at = _count(data, at)
        element = _reader(readers, kind.element)
        found = []
        for _ in range(count):
            value, at = element(data, at, depth)
            found.append(value)
        return found, at

    return read


def _of_map(kind: Mapped, readers: Readers) -> Read:
    def read(data: bytes, at: int, depth: int) -> tuple[dict[Any, Any], int]:
        depth = _deeper(depth)
        if kind.key not in _BASIC:
            raise ValueError("the gob has a map whose keys are no plain values")
        count, at = _count(data, at)
        name_of, value_of = _reader(readers, kind.key), _reader(readers, kind.element)
        found = {}
        for _ in range(count):
            name, at = name_of(data, at, depth)
            found[name], at = value_of(data, at, depth)
        return found, at

    return read


_BASIC: Readers = {
    BYTES: _text,
    STRING: _text,
    INT: _signed,
    UINT: _unsigned,
    FLOAT: _unsigned,
    BOOL: _flag,
}


def _definition() -> Read:
    """Of what a definition of a type is made of, which every decoder knows."""
    readers = dict(_BASIC)
    common = (Field("CommonType", 18),)
    structs = {
        16: Struct("wireType", (Field("ArrayT", 17), Field("SliceT", 19), Field("StructT", 20), Field("MapT", 23))),
        17: Struct("arrayType", (*common, Field("Elem", INT), Field("Len", INT))),
        18: Struct("CommonType", (Field("Name", STRING), Field("Id", INT))),
        19: Struct("sliceType", (*common, Field("Elem", INT))),
        20: Struct("structType", (*common, Field("Field", 22))),
        21: Struct("fieldType", (Field("Name", STRING), Field("Id", INT))),
        23: Struct("mapType", (*common, Field("Key", INT), Field("Elem", INT))),
    }
    readers |= {number: _of_struct(kind, readers) for number, kind in structs.items()}
    readers[22] = _of_list(Listed(21), readers)
    return readers[16]


_DEFINITION = _definition()


def _defined(wire: Mapping[str, Any], readers: Readers) -> Read:
    if "StructT" in wire:
        fields = wire["StructT"].get("Field", [])
        name = wire["StructT"].get("CommonType", {}).get("Name", b"")
        named = tuple(Field(one.get("Name", b"").decode(errors="replace"), one.get("Id", 0)) for one in fields)
        return _of_struct(Struct(name.decode(errors="replace"), named), readers)
    if "MapT" in wire:
        return _of_map(Mapped(wire["MapT"].get("Key", 0), wire["MapT"].get("Elem", 0)), readers)
    for kind in ("SliceT", "ArrayT"):
        if kind in wire:
            return _of_list(Listed(wire[kind].get("Elem", 0)), readers)
    raise ValueError("the gob has a type that encodes itself")
