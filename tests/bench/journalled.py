"""Pushes over RPC and consumption with a journal (`sync: always`), in turn with the same pipeline without one."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rrjobs.drivers.memory.journal.disk import OsDisk
from rrjobs.rpc.codec import Codec
from tests.bench import quiet, settings
from tests.bench.cpu import Cpu, used
from tests.bench.crowd import push_together
from tests.bench.journal import PUSHERS, sync_seconds
from tests.bench.pushing import BATCH, PIPELINE, JobsServer, batch_of, jobs_server, pipelines
from tests.bench.report import Goal, heading, plain_row, ratio_row

JOBS = 200_000
PUSHES = 200
"""By each of the concurrent pushers."""
ROUNDS = min(settings.ROUNDS, 5)


class Run(NamedTuple):
    """Jobs per second, and microseconds of CPU of the server a job: pushed in batches, consumed, pushed one by one."""

    push: float
    push_us: float
    consume: float
    consume_us: float
    single: float
    single_us: float


def measure(folder: Path) -> None:
    """One table."""
    bare: list[Run] = []
    kept: list[Run] = []
    syncs: list[float] = []
    for _ in range(ROUNDS):
        with jobs_server(settings.jobs_worker(), folder) as server:
            bare.append(_run(server))
        with tempfile.TemporaryDirectory(dir=folder) as place:
            syncs.append(sync_seconds(Path(place), OsDisk()))
            journal: dict[str, object] = {"path": f"{place}/journal", "sync": "always"}
            with jobs_server(settings.jobs_worker(), folder, journal=journal) as server:
                kept.append(_run(server))
    _report(bare, kept, syncs)


def _report(bare: list[Run], kept: list[Run], syncs: list[float]) -> None:
    heading(f"Memory jobs of 64 B with a journal, sync always, over RPC, {settings.WORKERS} workers, {ROUNDS} rounds")
    rows = (
        ("push", f"push in batches of {BATCH}, jobs/s", Goal(0.5, True)),
        ("push_us", "CPU of the server a job pushed so", None),
        ("consume", "consume, jobs/s", Goal(0.7, True)),
        ("consume_us", "CPU of the server a job consumed", None),
        ("single", f"{PUSHERS} concurrent single pushers, jobs/s", None),
        ("single_us", "CPU of the server a job pushed so", None),
    )
    for part, what, goal in rows:
        unit = " us" if part.endswith("_us") else ""
        ratio_row(
            what, [getattr(one, part) for one in kept], [getattr(one, part) for one in bare], "without", unit, goal
        )
    plain_row("one fdatasync on this disk", [seconds * 1e6 for seconds in syncs], " us")
    rates = [one.single for one in kept]
    what = f"{PUSHERS} concurrent single pushers, jobs/s"
    ratio_row(what, rates, [1 / seconds for seconds in syncs], "one fdatasync a push", goal=Goal(50, True))


def _run(server: JobsServer) -> Run:
    _call(server, "jobs.Pause")
    push, push_us = _timed(server, JOBS, lambda: _push(server))
    consume, consume_us = _timed(server, JOBS, lambda: _consume(server))
    _call(server, "jobs.Pause")
    _, single_us = single = _timed(server, PUSHERS * PUSHES, lambda: push_together(server.port, PUSHERS, PUSHES))
    return Run(push, push_us, consume, consume_us, single[0], single_us)


def _timed(server: JobsServer, jobs: int, act: Callable[[], object]) -> tuple[float, float]:
    quiet.wait()
    before, began = used((server.pid,)), time.perf_counter()
    act()
    rate = jobs / (time.perf_counter() - began)
    spent: Cpu = used((server.pid,)).per(before, jobs / 1e6)
    return rate, spent.server


def _push(server: JobsServer) -> None:
    for batch in [batch_of(BATCH) for _ in range(20)] * (JOBS // BATCH // 20):
        server.push_batch(batch)


def _consume(server: JobsServer) -> None:
    _call(server, "jobs.Resume")
    server.wait_for(0)


def _call(server: JobsServer, method: str) -> None:
    server.rpc.call(method, pipelines(PIPELINE), Codec.PROTO)
