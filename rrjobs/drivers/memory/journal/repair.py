"""Makes a damaged journal one that can be opened, and keeps every byte of the damaged one aside."""

import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rrjobs.drivers.memory.journal.codec import encode
from rrjobs.drivers.memory.journal.disk import Disk
from rrjobs.drivers.memory.journal.layout import HEADER_BYTES, encode_header, new_header, segment_id, segment_name
from rrjobs.drivers.memory.journal.survey import Survey

TEMPORARY = "repair.tmp"
RECORD_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class Repaired:
    """`aside`: the folder with the damaged segments."""

    aside: Path
    segment: Path


def repair(disk: Disk, folder: Path, found: Survey) -> Repaired:
    """Write what the survey found into a new segment that declares all older ones void, then move those aside.

    The rename of the new segment is the one moment that counts: killed before it, the journal is as it was; after it,
    it is repaired, and the next repair moves what is left. Raises OSError.
    """
    old = sorted(name for name in disk.names(folder) if segment_id(name) is not None)
    id = found.last_id + 1
    path = folder / segment_name(id)
    _write(disk, folder, id, found)
    disk.rename(folder / TEMPORARY, path)
    disk.sync_folder(folder)
    aside = folder / time.strftime("damaged-%Y%m%dT%H%M%SZ", time.gmtime())
    disk.make_folder(aside)
    for name in old:
        disk.rename(folder / name, aside / name)
    disk.sync_folder(aside)
    disk.sync_folder(folder)
    return Repaired(aside, path)


def _write(disk: Disk, folder: Path, id: int, found: Survey) -> None:
    path = folder / TEMPORARY
    with suppress(FileNotFoundError):  # of a repair that was killed
        disk.unlink(path)
    header = new_header(id, 0, id, found.next_number)
    fd = disk.create(path)
    try:
        _write_all(disk, fd, encode_header(header), 0)
        at = HEADER_BYTES
        entries = iter(found)
        while chunk := list(islice(entries, RECORD_ENTRIES)):
            numbers, kinds, payloads = zip(*chunk, strict=True)
            record = encode(numbers, bytes(kinds), payloads, (), header.seed, at, 0)
            _write_all(disk, fd, record, at)
            at += len(record)
        disk.fdatasync(fd)
    finally:
        disk.close(fd)


def _write_all(disk: Disk, fd: int, data: bytes | bytearray, offset: int) -> None:
    left = memoryview(data)
    while left:
        taken = disk.write(fd, left, offset)
        left = left[taken:]
        offset += taken
