"""What is known of one worker from outside: for listings, metrics and the supervisor."""

import os
from dataclasses import dataclass
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One row of `informer.Workers`; `memory_bytes` is resident, `cpu_percent` since the process began."""

    pid: int
    status: int
    status_text: str
    execs: int
    created_ns: int
    memory_bytes: int
    cpu_percent: float
    command: str
    pool: str


@dataclass(frozen=True, slots=True)
class PoolInfo:
    """A pool as a whole. `workers` it keeps, booting ones included, between `min` and `max`; `reason`: why their number
    changed last, at unix time `changed_at` (0: never). `longest_id` is what is executed longest, "" for nothing.
    """

    name: str
    plugin: str
    workers: int
    min: int
    max: int
    reason: str
    changed_at: float
    waiting: int
    longest_id: str
    longest_pid: int
    longest_s: float


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def cpu_percent(pid: int, age_s: float) -> float:
    """Share of one core used since the process began; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used_s = (int(fields[11]) + int(fields[12])) / _TICKS
    except (OSError, IndexError, ValueError):
        return 0.0
    return round(100 * used_s / age_s, 2) if age_s > 0 else 0.0
