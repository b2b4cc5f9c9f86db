"""This process as metrics, under the names that every Prometheus client uses."""

import asyncio
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from rrjobs.services.exposition import Family, single

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def process_families() -> Iterator[Family]:
    """From /proc, and the event loop that runs this."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    user, system, started, virtual, resident = (int(fields[index]) for index in (11, 12, 19, 20, 21))
    cpu_s = (user + system) / _TICKS
    descriptors = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 counting needs no paths
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    start = _boot_time() + started / _TICKS
    yield single("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", cpu_s)
    yield single("process_open_fds", "gauge", "Number of open file descriptors.", descriptors)
    yield single("process_max_fds", "gauge", "Maximum number of open file descriptors.", limit)
    yield single("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", virtual)
    yield single("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", resident * _PAGE_BYTES)
    yield single(
        "rrjobs_event_loop_tasks", "gauge", "Tasks of the event loop that have not ended.", len(asyncio.all_tasks())
    )
    yield single("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", start)


def _boot_time() -> int:
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return int(line.split()[1])
    return 0
