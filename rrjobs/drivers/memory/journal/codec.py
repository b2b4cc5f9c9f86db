"""Records: one group of changes to the journal as bytes and back, pure.

Head, 32 bytes, little endian: magic (4) | crc u32 | body length u32 | puts u32 | removed u32 | offset u64 |
unsynced u32. Body, by columns so that a thousand entries cost little more than one: numbers of the puts u64 | removed
numbers u64 | payload lengths u32 | kinds u8 | payloads. The CRC-32 starts from the segment's seed and covers the rest;
`offset` is the record's place in its file, `unsynced` says how many bytes before it were not yet known to be on disk.
A put is a new entry or replaces the one of its number; removals count after the puts of their record.
"""

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

from rrjobs.errors import RRJobsError

MAGIC = b"\xa7rJ\x1e"
HEAD = struct.Struct("<4sIIIIQI")
HEAD_BYTES = HEAD.size
COVERED_FROM = 8
_BEHIND_CRC = struct.Struct("<IIIQI")
PUT_BYTES = 13
"""Of the body, for each put, beside its payload."""
REMOVED_BYTES = 8
MAX_BODY_BYTES = 2**30
_MAX_U32 = 2**32 - 1
_NO_NUMBERS: Sequence[int] = ()


class BadRecord(RRJobsError):
    """No record begins at `offset`."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(why)
        self.offset = offset


class Record(NamedTuple):
    """Payloads stand one behind the other from `payload_at` on."""

    offset: int
    end: int
    unsynced: int
    numbers: Sequence[int]
    removed: Sequence[int]
    lengths: Sequence[int]
    kinds: bytes
    payload_at: int


def encode(
    numbers: Sequence[int],
    kinds: bytes | bytearray,
    payloads: Sequence[bytes],
    removed: Sequence[int],
    seed: int,
    offset: int,
    unsynced: int,
) -> bytearray:
    """One record for this place in the segment of that seed."""
    lengths = _packed("I", list(map(len, payloads)))
    head = bytes(HEAD_BYTES)
    record = bytearray().join((head, _packed("Q", numbers), _packed("Q", removed), lengths, kinds, *payloads))
    _BEHIND_CRC.pack_into(
        record,
        COVERED_FROM,
        len(record) - HEAD_BYTES,
        len(numbers),
        len(removed),
        offset,
        min(unsynced, _MAX_U32),
    )
    crc = crc32(memoryview(record)[COVERED_FROM:], seed)
    record[:COVERED_FROM] = MAGIC + crc.to_bytes(4, "little")
    return record


def records(data: bytes, seed: int, start: int, end: int) -> Iterator[Record]:
    """Every record from `start` to `end`, none missing; raises BadRecord at the first that is not there."""
    view = memoryview(data)
    while start < end:
        record = _record(data, view, seed, start, end)
        yield record
        start = record.end


def record_at(data: bytes, seed: int, offset: int, end: int) -> Record:
    """Raises BadRecord."""
    return _record(data, memoryview(data), seed, offset, end)


def payloads_of(data: bytes, record: Record) -> list[bytes]:
    """Slices of `data`, in the order of the record's numbers."""
    at = record.payload_at
    found = []
    for length in record.lengths:
        found.append(data[at : at + length])
        at += length
    return found


def _record(data: bytes, view: memoryview, seed: int, offset: int, end: int) -> Record:
    body_at = offset + HEAD_BYTES
    if body_at > end:
        raise BadRecord(offset, "the file ends inside the head of a record")
    magic, crc, length, puts, removals, place, unsynced = HEAD.unpack_from(data, offset)
    if magic != MAGIC or place != offset:
        raise BadRecord(offset, "no record begins here")
    stop = body_at + length
    if stop > end:
        raise BadRecord(offset, "the file ends inside a record")
    if crc32(view[offset + COVERED_FROM : stop], seed) != crc:
        raise BadRecord(offset, "the checksum of a record is wrong")
    removed_at = body_at + 8 * puts
    lengths_at = removed_at + 8 * removals
    kinds_at = lengths_at + 4 * puts
    payload_at = kinds_at + puts
    if payload_at > stop:
        raise BadRecord(offset, "the counts of a record do not fit its length")
    lengths = _read("I", view[lengths_at:kinds_at])
    if payload_at + sum(lengths) != stop:
        raise BadRecord(offset, "the lengths of a record do not fit its length")
    numbers = _read("Q", view[body_at:removed_at])
    removed = _read("Q", view[removed_at:lengths_at]) if removals else _NO_NUMBERS
    return Record(offset, stop, unsynced, numbers, removed, lengths, data[kinds_at:payload_at], payload_at)


def _packed(code: str, values: Sequence[int]) -> bytes:
    column = array(code, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _read(code: str, data: memoryview) -> Sequence[int]:
    column = array(code)
    column.frombytes(data)
    if sys.byteorder == "big":
        column.byteswap()
    return column
