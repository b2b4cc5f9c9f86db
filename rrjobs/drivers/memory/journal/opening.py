"""From a folder to a writer that can go on where the last process ended; blocking, for a thread."""

from dataclasses import dataclass
from pathlib import Path

from rrjobs.drivers.memory.journal.batch import Batch
from rrjobs.drivers.memory.journal.disk import Disk
from rrjobs.drivers.memory.journal.layout import HEADER_BYTES
from rrjobs.drivers.memory.journal.live import Live, Segment
from rrjobs.drivers.memory.journal.recovery import Cut, Recovered, Recovery
from rrjobs.drivers.memory.journal.writer import Failed, Order, Writer

FIRST = 1


@dataclass(frozen=True, slots=True)
class Opened:
    """`cut` is what was left out at the end, if anything."""

    writer: Writer
    live: Live
    recovered: Recovered
    cut: Cut | None


def begin(disk: Disk, folder: Path) -> Opened:
    """Read all of it, cut a torn end off, and write something, so that what cannot be written to fails now.

    Raises JournalDamaged, JournalVersion, OSError.
    """
    recovery = Recovery(disk, folder)
    recovery.read()
    writer = Writer(disk, folder)
    last = recovery.last
    if last is None:
        recovery.segments[FIRST] = Segment(FIRST, HEADER_BYTES)
        result = writer.commit(Order(Batch(FIRST), sync=True, oldest=FIRST, next_number=recovery.next_number))
        if isinstance(result, Failed):
            raise result.error
    else:
        writer.resume(last, recovery.segments[last.id].size)
    live = Live(recovery.places, recovery.segments, recovery.next_number)
    return Opened(writer, live, recovery.entries(), recovery.cut)
