"""The journal alone, without workers: `python tests/bench/journal.py [FOLDER]`; FOLDER says which disk to measure."""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
from rrjobs.drivers.memory.journal.disk import OsDisk
from rrjobs.drivers.memory.journal.journal import Journal, open_journal
from rrjobs.runtime.events import Events

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
    """Of all files, in bytes."""
    return sum(path.stat().st_size for path in folder.iterdir())


async def million(folder: Path) -> None:
    """Push, recover, drain."""
    config = JournalConfig(Sync.ALWAYS)
    journal, _ = await open_journal(folder, config, Events())
    rate, cost = await batches(journal)
    print(f"batches of {BATCH}, sync always: {rate:,.0f} jobs/s, {cost:.2f} us of the event loop a job")
    print(f"size of {JOBS:,} jobs of {len(PAYLOAD)} bytes: {size(folder) / 1e6:.1f} MB")
    await journal.close()
    began = time.perf_counter()
    journal, found = await open_journal(folder, config, Events())
    numbers = [number for number, _, _ in found]
    print(f"recovery of {len(numbers):,} jobs: {time.perf_counter() - began:.2f} s")
    print(f"settles: {await removals(journal, numbers):.2f} us of the event loop a job")
    began = time.perf_counter()
    while size(folder) > 2**20 and time.perf_counter() - began < 30:  # noqa: ASYNC110 - a size is no event
        await asyncio.sleep(0.01)
    print(f"size after the drain: {size(folder):,} bytes, {time.perf_counter() - began:.2f} s after the last settle")
    await journal.close()


async def group_commit(folder: Path, disk: OsDisk, name: str) -> None:
    """Concurrent single pushes against one sync for each."""
    alone = 1 / sync_seconds(folder.parent, disk)
    journal, _ = await open_journal(folder, JournalConfig(Sync.ALWAYS), Events(), disk)
    rate = await single_pushes(journal)
    await journal.close()
    print(f"{PUSHERS} single pushers, {name}: {rate:,.0f} jobs/s, {rate / alone:.0f} x one fdatasync a push")


def measure(where: Path | None = None) -> None:
    """Print the figures of the disk that holds `where`."""
    with tempfile.TemporaryDirectory(dir=where) as name:
        folder = Path(name)
        print(f"one fdatasync on this disk: {sync_seconds(folder, OsDisk()) * 1e6:,.0f} us")
        asyncio.run(group_commit(folder / "fast", OsDisk(), "this disk"))
        asyncio.run(group_commit(folder / "slow", SlowDisk(), f"with {SLOW_SYNC_S * 1e3:g} ms more for each sync"))
        asyncio.run(million(folder / "million"))


if __name__ == "__main__":
    measure(Path(sys.argv[1]) if sys.argv[1:] else None)
