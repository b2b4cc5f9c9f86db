"""Records behind a place where none can be read."""

from rrjobs.drivers.memory.journal.codec import MAGIC, BadRecord, Record, record_at


def next_record(data: bytes, seed: int, after: int, end: int) -> Record | None:
    """The first whole record that begins behind `after`."""
    at = data.find(MAGIC, after + 1, end)
    while at >= 0:
        try:
            return record_at(data, seed, at, end)
        except BadRecord:
            at = data.find(MAGIC, at + 1, end)
    return None


def was_synced(data: bytes, seed: int, offset: int) -> bool:
    """Whether a later record proves that the bytes at `offset` were on disk: then they are damaged, not torn."""
    record = next_record(data, seed, offset, len(data))
    while record is not None:
        if record.offset - record.unsynced > offset:
            return True
        record = next_record(data, seed, record.offset, len(data))
    return False
