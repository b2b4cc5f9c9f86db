"""The header of a segment file, and how the files are called.

64 bytes, little endian: magic (8) | version u32 | crc u32 | id u64 | salt u64 | previous u64 | oldest u64 | next u64 |
salt again u64. The CRC-32 covers all that stands behind it; magic and version keep their place in every format.
`previous` is where the segment before ends: what stands behind that place in its file was never acknowledged and is no
part of the journal.
"""

import os
import re
import struct
from dataclasses import dataclass
from zlib import crc32

from rrjobs.errors import RRJobsError

MAGIC = b"RRJOURNL"
VERSION = 1
HEADER_BYTES = 64
LOCK_NAME = "lock"
_NAME = re.compile(r"([0-9]{16})\.segment\Z")
_START = struct.Struct("<8sII")
_SEED = struct.Struct("<QQ")
_REST = struct.Struct("<QQQQQQ")


class BadHeader(RRJobsError):
    """The first bytes of a file are not a segment's header."""


class OtherVersion(BadHeader):
    """They are one, of a format that this version does not read."""


@dataclass(frozen=True, slots=True)
class Header:
    """`salt` goes into every record's checksum. `oldest` is the first segment that belongs to the journal.
    `next_number` is above every number given out before this segment was made."""

    id: int
    salt: int
    previous_end: int
    oldest: int
    next_number: int

    @property
    def seed(self) -> int:
        """What the checksums of this segment's records start from: records of other files never fit."""
        return seed_of(self.id, self.salt)


def seed_of(id: int, salt: int) -> int:
    """See Header.seed."""
    return crc32(_SEED.pack(id, salt))


def new_header(id: int, previous_end: int, oldest: int, next_number: int) -> Header:
    """With a salt of its own."""
    return Header(id, int.from_bytes(os.urandom(8), "little"), previous_end, oldest, next_number)


def encode_header(header: Header) -> bytes:
    """The 64 bytes."""
    rest = _REST.pack(header.id, header.salt, header.previous_end, header.oldest, header.next_number, header.salt)
    return _START.pack(MAGIC, VERSION, crc32(rest)) + rest


def decode_header(data: bytes) -> Header:
    """Raises BadHeader, OtherVersion."""
    if len(data) < HEADER_BYTES:
        raise BadHeader(f"the file ends inside its header, after {len(data)} bytes")
    magic, version, crc = _START.unpack_from(data)
    if magic != MAGIC:
        raise BadHeader("the file does not begin like a journal's segment")
    if version != VERSION:
        age = "a newer" if version > VERSION else "an older"
        raise OtherVersion(f"written by {age} rrjobs in format {version}; this one reads format {VERSION}")
    rest = data[_START.size : HEADER_BYTES]
    if crc32(rest) != crc:
        raise BadHeader("the checksum of the header is wrong")
    id, salt, previous_end, oldest, next_number, _ = _REST.unpack(rest)
    return Header(id, salt, previous_end, oldest, next_number)


def likely_seeds(data: bytes, id: int) -> list[int]:
    """Seeds that the records behind a damaged header may have."""
    if len(data) < HEADER_BYTES:
        return []
    _, salt, _, _, _, again = _REST.unpack_from(data, _START.size)
    return [seed_of(id, salt), seed_of(id, again)]


def segment_name(id: int) -> str:
    """Sorts by name as by id."""
    return f"{id:016d}.segment"


def segment_id(name: str) -> int | None:
    """The id in a file's name, or None for other files."""
    found = _NAME.match(name)
    return int(found.group(1)) if found else None
