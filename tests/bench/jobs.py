"""Memory jobs pushed over RPC in batches and consumed: ours in turn with the prototype and RoadRunner."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench import quiet, settings
from tests.bench.cpu import Cpu, used
from tests.bench.pushing import BATCH, JobsServer, batch_of, jobs_server
from tests.bench.report import Goal, heading, plain_row, ratio_row

JOBS = 200_000


class Run(NamedTuple):
    """Jobs per second from the first push to the last answer, and seconds of CPU per 1,000 jobs."""

    rate: float
    cpu: Cpu


def measure(folder: Path) -> None:
    """One table."""
    ours: list[Run] = []
    bare: list[Run] = []
    original: list[Run] = []
    for _ in range(settings.ROUNDS):
        with jobs_server(settings.jobs_worker(), folder) as server:
            ours.append(_push_all(server))
        if settings.PROTOTYPES:
            bare.append(_prototype())
        if settings.ROADRUNNER:
            with jobs_server(settings.jobs_worker(), folder, roadrunner=True) as server:
                original.append(_push_all(server))
    heading(f"Memory jobs, pushed over RPC by {BATCH} and consumed, {settings.WORKERS} workers, prefetch auto")
    what, rates = "jobs/s", [one.rate for one in ours]
    if bare:
        ratio_row(f"{what}; the peer has no RPC", rates, [one.rate for one in bare], "prototype", goal=Goal(2.2, True))
    if original:
        ratio_row(what, rates, [one.rate for one in original], "RoadRunner")
    if not bare and not original:
        plain_row(what, rates)
    _cpu_rows(ours, bare)


def _cpu_rows(ours: list[Run], bare: list[Run]) -> None:
    what = "CPU s per 1,000 jobs, server"
    servers = [one.cpu.server for one in ours]
    if bare:
        ratio_row(what, servers, [one.cpu.server for one in bare], "prototype")
    else:
        plain_row(what, servers)
    plain_row("CPU s per 1,000 jobs, php", [one.cpu.php for one in ours])


def _push_all(server: JobsServer) -> Run:
    batches = [batch_of(BATCH) for _ in range(JOBS // BATCH)]
    quiet.wait()
    before = used((server.pid,))
    began = time.perf_counter()
    for batch in batches:
        server.push_batch(batch)
    server.wait_for(0)
    rate = JOBS / (time.perf_counter() - began)
    return Run(rate, used((server.pid,)).per(before, JOBS / 1000))


def _prototype() -> Run:
    command = [sys.executable, f"{settings.PROTOTYPES}/dispatch_batched.py", "1", str(JOBS), "2", "uv"]
    quiet.wait()
    env = {**os.environ, "WORKER": settings.jobs_worker()}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout
    found = re.search(r": (\d+) jobs/s .* cpu/job ([\d.]+)us", printed)
    assert found is not None, printed
    return Run(float(found.group(1)), Cpu(float(found.group(2)) / 1000, 0.0))
