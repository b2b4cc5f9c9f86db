"""What a journal holds, read at the start: every live entry, or a refusal that says where the damage is.

Only the end of the last segment may be unreadable: bytes that were never synced, torn by the crash. They are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rrjobs.drivers.memory.journal.codec import BadRecord, Record, payloads_of, records
from rrjobs.drivers.memory.journal.damage import was_synced
from rrjobs.drivers.memory.journal.disk import Disk
from rrjobs.drivers.memory.journal.layout import (
    HEADER_BYTES,
    MAGIC,
    BadHeader,
    Header,
    OtherVersion,
    decode_header,
    segment_id,
    segment_name,
)
from rrjobs.drivers.memory.journal.live import KIND_SHIFT, SEGMENT_SHIFT, Segment
from rrjobs.errors import JournalDamaged, JournalVersion

Entry = tuple[int, int, bytes]
"""Number, kind, payload."""
KIND_MASK = 255


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes at the end of the last segment that belong to no whole record."""

    file: str
    offset: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """The live entries in order of number, column by column; iterating gives (number, kind, payload)."""

    numbers: Sequence[int]
    kinds: bytes
    payloads: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Entry]:
        return zip(self.numbers, self.kinds, self.payloads, strict=True)


class Recovery:
    """Reads the segments of a folder in order. `read` once, then the rest is known."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder
        self._payloads: dict[int, bytes] = {}
        self.places: dict[int, int] = {}
        self.segments: dict[int, Segment] = {}
        self.next_number = 1
        self.last: Header | None = None
        self.cut: Cut | None = None

    def read(self) -> None:
        """Raises JournalDamaged, JournalVersion, OSError."""
        names = self._disk.names(self._folder)
        ids = sorted(id for id in map(segment_id, names) if id is not None)
        last = self._last(ids)
        if last is None:
            return
        ids = [id for id in ids if id >= last[0].oldest]
        self._check_complete(ids)
        header, data = last if len(ids) == 1 else self._load(ids[0])
        for id in ids[1:]:
            following = last if id == ids[-1] else self._load(id)
            self._read_whole(header, data, following[0].previous_end)
            header, data = following
        self._read_last(header, data)

    def entries(self) -> Recovered:
        """Once: what was read is handed over."""
        numbers = sorted(self._payloads)
        kinds = bytes([self.places[number] >> KIND_SHIFT & KIND_MASK for number in numbers])
        payloads = list(map(self._payloads.__getitem__, numbers))
        self._payloads.clear()
        return Recovered(numbers, kinds, payloads)

    def _last(self, ids: list[int]) -> tuple[Header, bytes] | None:
        """The last segment; one whose making was cut short never held a record, and is removed."""
        while ids:
            path = self._folder / segment_name(ids[-1])
            data = self._disk.read(path)
            try:
                return decode_header(data), data
            except BadHeader as err:
                if not _cut_short(data) or (isinstance(err, OtherVersion) and any(data[8:12])):
                    raise self._refusal(ids[-1], 0, err) from err
            self.cut = Cut(str(path), 0, len(data))
            self._disk.unlink(path)
            self._disk.sync_folder(self._folder)
            ids.pop()
        return None

    def _load(self, id: int) -> tuple[Header, bytes]:
        data = self._disk.read(self._folder / segment_name(id))
        try:
            header = decode_header(data)
        except BadHeader as err:
            raise self._refusal(id, 0, err) from err
        if header.id != id:
            raise self._damaged(id, 0, f"this is segment {header.id} under another name")
        return header, data

    def _check_complete(self, ids: list[int]) -> None:
        for id, after in pairwise(ids):
            if after != id + 1:
                raise self._damaged(id + 1, 0, "the file is missing")

    def _read_whole(self, header: Header, data: bytes, end: int) -> None:
        if len(data) < end:
            raise self._damaged(header.id, len(data), f"the file ends here, {end - len(data)} bytes too early")
        try:
            self._replay(header, data, end)
        except BadRecord as err:
            raise self._damaged(header.id, err.offset, str(err)) from err

    def _read_last(self, header: Header, data: bytes) -> None:
        self.last = header
        try:
            self._replay(header, data, len(data))
        except BadRecord as err:
            if was_synced(data, header.seed, err.offset):
                raise self._damaged(header.id, err.offset, str(err)) from err
            file = str(self._folder / segment_name(header.id))
            self.cut = Cut(file, err.offset, len(data) - err.offset)
            self.segments[header.id].size = err.offset

    def _replay(self, header: Header, data: bytes, end: int) -> None:
        self.segments[header.id] = Segment(header.id, end)
        self.next_number = max(self.next_number, header.next_number)
        base = header.id << SEGMENT_SHIFT
        for record in records(data, header.seed, HEADER_BYTES, end):
            self._apply(record, data, base)

    def _apply(self, record: Record, data: bytes, base: int) -> None:
        numbers = record.numbers
        if len(numbers) == 1:
            number, at, length = numbers[0], record.payload_at, record.lengths[0]
            self._payloads[number] = data[at : at + length]
            self.places[number] = base | record.kinds[0] << KIND_SHIFT | length
            self.next_number = max(self.next_number, number + 1)
        elif numbers:
            self._payloads.update(zip(numbers, payloads_of(data, record), strict=True))
            places = [base | kind << KIND_SHIFT | size for kind, size in zip(record.kinds, record.lengths, strict=True)]
            self.places.update(zip(numbers, places, strict=True))
            self.next_number = max(self.next_number, max(numbers) + 1)
        for number in record.removed:
            self._payloads.pop(number, None)
            self.places.pop(number, None)

    def _refusal(self, id: int, offset: int, err: BadHeader) -> JournalDamaged | JournalVersion:
        if isinstance(err, OtherVersion):
            file = str(self._folder / segment_name(id))
            return JournalVersion(f"{file}: {err}", path=file)
        return self._damaged(id, offset, str(err))

    def _damaged(self, id: int, offset: int, what: str) -> JournalDamaged:
        file = str(self._folder / segment_name(id))
        return JournalDamaged(what, path=file, offset=offset, command=f"rrjobs journal repair {self._folder}")


def _cut_short(data: bytes) -> bool:
    """Whether this may be what a crash left of a segment that was just begun, and not a stranger's file."""
    return len(data) <= HEADER_BYTES and MAGIC.startswith(data[: len(MAGIC)].rstrip(b"\0"))
