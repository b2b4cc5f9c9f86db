"""Single pushes at steady rates: how long from the push until PHP begins the job.

The peer is the machine itself: the same pushes to a bare echo server, from the push to its answer. That takes two
wake-ups too.
"""

import os
import statistics
import struct
import sys
import time
from pathlib import Path
from typing import NamedTuple

from rrjobs.protocol.frame import Frame
from tests.bench import quiet, settings
from tests.bench.pacing import STAMP_BYTES, push_steadily
from tests.bench.pushing import JobsServer, jobs_server
from tests.bench.report import Goal, heading, plain_row, ratio_row
from tests.bench.servers import free_port, running, wait_until

RATES = (1000, 2000, 3000, 5000)
GOAL_RATE = 2000
GOAL = Goal(0.7, False, " ms")
WARM_UP = (2000.0, 0.5)
_RECORD = struct.Struct("<qq")


class Latency(NamedTuple):
    """Milliseconds."""

    p50: float
    p99: float


def measure(folder: Path) -> None:
    """One table."""
    ours: dict[int, list[Latency]] = {rate: [] for rate in RATES}
    bare: dict[int, list[Latency]] = {rate: [] for rate in RATES}
    original: dict[int, list[Latency]] = {rate: [] for rate in RATES}
    for _ in range(settings.ROUNDS):
        _all_rates(ours, folder, roadrunner=False)
        _all_echoed(bare)
        if settings.ROADRUNNER:
            _all_rates(original, folder, roadrunner=True)
    heading("Single pushes over RPC at a steady rate, push to start of execution")
    for rate in RATES:
        for part in Latency._fields:
            what = f"{rate:,} pushes/s: {part}"
            mine = [getattr(one, part) for one in ours[rate]]
            if rate == GOAL_RATE and part == "p99":
                plain_row(f"{what} (the goal is for a quiet machine)", mine, " ms", GOAL)
            ratio_row(what, mine, [getattr(one, part) for one in bare[rate]], "echo", " ms")
            if settings.ROADRUNNER:
                ratio_row(what, mine, [getattr(one, part) for one in original[rate]], "RoadRunner", " ms")


def _all_rates(seen: dict[int, list[Latency]], folder: Path, *, roadrunner: bool) -> None:
    stamps = folder / f"stamps-{time.monotonic_ns()}"
    stamps.mkdir()
    os.environ["BENCH_STAMPS"] = str(stamps)
    with jobs_server(settings.stamping_worker(), folder, roadrunner=roadrunner) as server:
        _pushed(server, stamps, *WARM_UP)
        for rate in RATES:
            seen[rate].append(_pushed(server, stamps, rate, settings.SECONDS))


def _pushed(server: JobsServer, stamps: Path, rate: float, seconds: float) -> Latency:
    quiet.wait()
    push_steadily(server.port, rate, seconds, lambda frame: None)
    wait_until(lambda: server.waiting() == 0, "the jobs were not consumed")
    return _percentiles(_collected(stamps))


def _collected(stamps: Path) -> list[int]:
    """Nanoseconds of all jobs since the last call; the workers must be idle."""
    found: list[int] = []
    for path in stamps.iterdir():
        found.extend(began - pushed for pushed, began in _RECORD.iter_unpack(path.read_bytes()))
        os.truncate(path, 0)
    return found


def _all_echoed(seen: dict[int, list[Latency]]) -> None:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.echo", str(port), "uvloop"]
    with running(command, port):
        for rate in RATES:
            seen[rate].append(_percentiles(_echoed(port, rate)))


def _echoed(port: int, rate: float) -> list[int]:
    spans: list[int] = []
    quiet.wait()
    push_steadily(port, rate, settings.SECONDS, lambda frame: spans.append(_since(frame)))
    return spans


def _since(frame: Frame) -> int:
    at = frame.payload.index(b"xxxx") - STAMP_BYTES
    return time.monotonic_ns() - int(frame.payload[at : at + STAMP_BYTES])


def _percentiles(nanoseconds: list[int]) -> Latency:
    cuts = statistics.quantiles(nanoseconds, n=100)
    return Latency(cuts[49] / 1e6, cuts[98] / 1e6)
