"""CPU time and memory of running processes, from /proc.

Wall clock is noisy on a shared machine; the nanoseconds that the kernel gave to a process are less so.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Cpu(NamedTuple):
    """Seconds used so far."""

    server: float
    php: float

    def per(self, earlier: "Cpu", units: float) -> "Cpu":
        """What one unit of work took since then."""
        return Cpu((self.server - earlier.server) / units, (self.php - earlier.php) / units)


def used(roots: Iterable[int]) -> Cpu:
    """By the trees of processes under these: PHP apart from the rest."""
    server = php = 0.0
    for pid in _trees(tuple(roots)):
        seconds = seconds_of(pid)
        if _name(pid).startswith("php"):
            php += seconds
        else:
            server += seconds
    return Cpu(server, php)


def seconds_of(pid: int) -> float:
    """Of one process with all its threads; 0 when it is gone."""
    total = 0
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    except OSError:
        return 0.0
    return total / 1e9


def resident_bytes(pid: int) -> int:
    """Memory of one process that is in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def _trees(roots: tuple[int, ...]) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting.extend(children.get(pid, ()))


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""
