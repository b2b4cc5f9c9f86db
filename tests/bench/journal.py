"""The journal alone, without server and workers. `python -m tests.bench.journal FOLDER` measures another disk."""

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
from rrjobs.drivers.memory.journal.disk import OsDisk
from rrjobs.drivers.memory.journal.journal import Journal, open_journal
from rrjobs.runtime.events import Events
from tests.bench.report import Goal, heading, plain_row, ratio_row
from tests.bench.settings import ROUNDS

JOBS = int(os.environ.get("BENCH_JOURNAL_JOBS", "1000000"))
PAYLOAD = b"x" * 64
BATCH = 500
PUSHERS = 100
PUSHES = 200
"""By each pusher."""
SLOW_SYNC_S = 0.002
"""What an ordinary solid-state disk without a protected cache takes."""


class SlowDisk(OsDisk):
    """The same disk with a slower sync, to see group commit apart from the processor."""

    def fdatasync(self, fd: int) -> None:
        super().fdatasync(fd)
        time.sleep(SLOW_SYNC_S)


def sync_seconds(folder: Path, disk: OsDisk) -> float:
    """One append of a small record and its fdatasync: the median."""
    path = folder / "sync"
    fd = disk.create(path)
    times = []
    for at in range(100):
        disk.write(fd, memoryview(PAYLOAD), at * len(PAYLOAD))
        began = time.perf_counter()
        disk.fdatasync(fd)
        times.append(time.perf_counter() - began)
    disk.close(fd)
    disk.unlink(path)
    return statistics.median(times)


async def batches(journal: Journal) -> tuple[float, float]:
    """Jobs per second, and microseconds of the event loop's thread for each."""
    began, busy = time.perf_counter(), time.thread_time()
    for _ in range(JOBS // BATCH):
        await journal.add(1, [PAYLOAD] * BATCH)
    return JOBS / (time.perf_counter() - began), (time.thread_time() - busy) / JOBS * 1e6


async def single_pushes(journal: Journal) -> float:
    """Per second, by concurrent pushers of which each waits for its own."""

    async def push() -> None:
        for _ in range(PUSHES):
            await journal.add(1, [PAYLOAD])

    began = time.perf_counter()
    await asyncio.gather(*(push() for _ in range(PUSHERS)))
    return PUSHERS * PUSHES / (time.perf_counter() - began)


async def removals(journal: Journal, numbers: list[int]) -> float:
    """Microseconds of the event loop's thread for each."""
    busy = time.thread_time()
    for at in range(0, len(numbers), BATCH):
        for number in numbers[at : at + BATCH]:
            journal.remove(number)
        await asyncio.sleep(0)
    return (time.thread_time() - busy) / len(numbers) * 1e6


def size(folder: Path) -> int:
    """Of all files, in bytes; one that is removed meanwhile has none."""
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


class Million(NamedTuple):
    """What a journal of so many jobs costs: pushes per second, microseconds of the event loop a push and a settle,
    seconds of its recovery, bytes after the drain and the seconds until then."""

    rate: float
    push_us: float
    recovery_s: float
    settle_us: float
    drained_bytes: float
    drained_s: float


async def million(folder: Path) -> Million:
    """Push, recover, drain."""
    config = JournalConfig(Sync.ALWAYS)
    journal, _ = await open_journal(folder, config, Events())
    rate, cost = await batches(journal)
    await journal.close()
    began = time.perf_counter()
    journal, found = await open_journal(folder, config, Events())
    numbers = [number for number, _, _ in found]
    recovery_s = time.perf_counter() - began
    settle_us = await removals(journal, numbers)
    began = time.perf_counter()
    while size(folder) > 2**20 and time.perf_counter() - began < 30:  # noqa: ASYNC110 - a size is no event
        await asyncio.sleep(0.01)
    done = Million(rate, cost, recovery_s, settle_us, float(size(folder)), time.perf_counter() - began)
    await journal.close()
    return done


async def group_commit(folder: Path, disk: OsDisk) -> tuple[float, float]:
    """Concurrent single pushes per second, and what one sync for each would allow."""
    alone = 1 / sync_seconds(folder.parent, disk)
    journal, _ = await open_journal(folder, JournalConfig(Sync.ALWAYS), Events(), disk)
    rate = await single_pushes(journal)
    await journal.close()
    return rate, alone


def measure(folder: Path) -> None:
    """One table."""
    rounds = range(min(ROUNDS, 3))
    millions, fast, slow = [], [], []
    for number in rounds:
        here = folder / str(number)
        here.mkdir()
        fast.append(asyncio.run(group_commit(here / "fast", OsDisk())))
        slow.append(asyncio.run(group_commit(here / "slow", SlowDisk())))
        millions.append(asyncio.run(million(here / "million")))
    heading(f"The journal alone, sync always, jobs of {len(PAYLOAD)} B, {len(rounds)} rounds")
    plain_row("one fdatasync on this disk", [1e6 / alone for _, alone in fast], " us")
    for name, seen in (("", fast), (f", with {SLOW_SYNC_S * 1e3:g} ms more for each sync", slow)):
        what = f"{PUSHERS} concurrent single pushers, jobs/s{name}"
        rates, alone = [rate for rate, _ in seen], [bare for _, bare in seen]
        ratio_row(what, rates, alone, "one fdatasync a push", goal=Goal(50, True))
    plain_row(f"batches of {BATCH}, jobs/s", [one.rate for one in millions])
    plain_row("event loop a pushed job", [one.push_us for one in millions], " us")
    plain_row("event loop a settled job", [one.settle_us for one in millions], " us")
    plain_row(f"recovery of {JOBS:,} jobs", [one.recovery_s for one in millions], " s", Goal(10, False, " s"))
    plain_row("size after drain and compaction", [one.drained_bytes for one in millions], " B", Goal(1e6, False, " B"))
    plain_row("from the last settle to that size", [one.drained_s for one in millions], " s")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as name:
        measure(Path(name))
