"""How hard a journal tries: what a push waits for, and how much a crash of the machine may cost."""

from dataclasses import dataclass
from enum import StrEnum


class Sync(StrEnum):
    """`ALWAYS`: a push returns when it is on disk. `INTERVAL`: when the kernel has it, which outlives this process; the
    disk follows within the interval, and a crash of the machine costs at most that."""

    ALWAYS = "always"
    INTERVAL = "interval"


@dataclass(frozen=True, slots=True)
class JournalConfig:
    """`segment_bytes` bounds the files, `reserve_bytes` is what pushes leave free on the disk, so that removals, dead
    letters and compaction still find room and can make more. `lock_wait_s`: patience with another process that has the
    journal, which is about to let go of it."""

    sync: Sync = Sync.ALWAYS
    interval_s: float = 0.1
    segment_bytes: int = 8 * 2**20
    reserve_bytes: int = 16 * 2**20
    lock_wait_s: float = 0.0
