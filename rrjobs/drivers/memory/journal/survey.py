"""What a journal holds, read past every damage: for verify, dump and repair; changes nothing.

Where no record can be read the search goes on byte by byte for the next whole one. A lost removal brings an entry back
that had ended, a lost put takes one away: what stands in `findings` is therefore never harmless.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rrjobs.drivers.memory.journal.codec import BadRecord, Record, payloads_of, record_at
from rrjobs.drivers.memory.journal.damage import next_record, was_synced
from rrjobs.drivers.memory.journal.disk import Disk
from rrjobs.drivers.memory.journal.layout import (
    HEADER_BYTES,
    BadHeader,
    Header,
    OtherVersion,
    decode_header,
    likely_seeds,
    segment_id,
    segment_name,
)
from rrjobs.drivers.memory.journal.recovery import Entry
from rrjobs.errors import JournalVersion


@dataclass(frozen=True, slots=True)
class Finding:
    """`bytes` from `offset` on that are not what they should be. `torn`: as after a crash; the start cuts it off."""

    file: str
    offset: int
    bytes: int
    text: str
    torn: bool = False


@dataclass(slots=True)
class Survey:
    """Live entries by number, and what is wrong."""

    entries: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    segments: int = 0
    records: int = 0
    bytes: int = 0
    next_number: int = 1
    last_id: int = 0

    def __iter__(self) -> Iterator[Entry]:
        for number in sorted(self.entries):
            kind, payload = self.entries[number]
            yield number, kind, payload


def survey(disk: Disk, folder: Path) -> Survey:
    """Raises JournalVersion, OSError."""
    found = Survey()
    ids = sorted(id for id in map(segment_id, disk.names(folder)) if id is not None)
    if not ids:
        return found
    found.last_id = ids[-1]
    newest = _header(disk, folder, ids[-1], found)
    ids = [id for id in ids if newest is None or id >= newest.oldest]
    headers = {id: _header(disk, folder, id, found) for id in ids[:-1]} | {ids[-1]: newest}
    for id in range(ids[0], ids[-1] + 1):
        after = headers.get(id + 1)
        if id not in headers:
            found.findings.append(Finding(segment_name(id), 0, 0, "the file is missing"))
            continue
        end = after.previous_end if after is not None else None
        _read_segment(disk.read(folder / segment_name(id)), id, headers[id], end, id == ids[-1], found)
    return found


def _header(disk: Disk, folder: Path, id: int, found: Survey) -> Header | None:
    data = disk.read(folder / segment_name(id))
    try:
        header = decode_header(data)
        if header.id != id:
            raise BadHeader(f"this is segment {header.id} under another name")
    except OtherVersion as err:
        raise JournalVersion(f"{folder / segment_name(id)}: {err}", path=str(folder)) from err
    except BadHeader as err:
        found.findings.append(Finding(segment_name(id), 0, min(len(data), HEADER_BYTES), str(err)))
        return None
    return header


def _read_segment(data: bytes, id: int, header: Header | None, end: int | None, last: bool, found: Survey) -> None:
    stop = len(data) if end is None else min(end, len(data))
    if end is not None and end > len(data):
        text = f"the file ends {end - len(data)} bytes too early"
        found.findings.append(Finding(segment_name(id), len(data), end - len(data), text))
    found.segments += 1
    found.bytes += stop
    if header is not None:
        found.next_number = max(found.next_number, header.next_number)
        seed = header.seed
    else:
        seed = _likeliest(data, id, stop)
    _read_records(data, id, seed, stop, last, found)


def _likeliest(data: bytes, id: int, stop: int) -> int:
    """The header is damaged: the seed with which a record can be read."""
    seeds = likely_seeds(data, id) or [0]
    return next((seed for seed in seeds if next_record(data, seed, HEADER_BYTES - 1, stop) is not None), seeds[0])


def _read_records(data: bytes, id: int, seed: int, stop: int, last: bool, found: Survey) -> None:
    at = HEADER_BYTES
    while at < stop:
        try:
            record = record_at(data, seed, at, stop)
        except BadRecord as err:
            following = next_record(data, seed, at, stop)
            end = stop if following is None else following.offset
            torn = last and not was_synced(data, seed, at)
            found.findings.append(Finding(segment_name(id), at, end - at, str(err), torn))
            at = end
            continue
        _apply(record, data, found)
        at = record.end


def _apply(record: Record, data: bytes, found: Survey) -> None:
    found.records += 1
    payloads = payloads_of(data, record)
    found.entries.update(zip(record.numbers, zip(record.kinds, payloads, strict=True), strict=True))
    for number in record.removed:
        found.entries.pop(number, None)
    found.next_number = max(found.next_number, max(record.numbers, default=0) + 1)
