"""A million waiting memory jobs: the memory of each, and the cost of push and pop against that at a thousand."""

import time
from pathlib import Path
from typing import NamedTuple

from rrjobs.rpc.codec import Codec
from tests.bench import settings
from tests.bench.cpu import resident_bytes, seconds_of
from tests.bench.pushing import BATCH, PIPELINE, JobsServer, batch_of, jobs_server, pipelines
from tests.bench.report import Goal, heading, plain_row, ratio_row

FEW = 1_000
MANY = 1_000_000
SAMPLE = 100_000
"""Jobs whose push and pop is timed at each size."""
ROUNDS = min(settings.ROUNDS, 3)
CALM_S = 0.02
"""Between two looks at the pipeline: each costs the server some CPU time."""


class Cost(NamedTuple):
    """CPU microseconds of the server for one job."""

    push: float
    pop: float


def measure(folder: Path) -> None:
    """One table."""
    few: list[Cost] = []
    many: list[Cost] = []
    memory: list[float] = []
    for _ in range(ROUNDS):
        with jobs_server(settings.jobs_worker(), folder) as server:
            _pause(server)
            few.append(_few_waiting(server))
            size, cost = _many_waiting(server)
            memory.append(size)
            many.append(cost)
    heading(f"{MANY:,} waiting memory jobs of 64 B, {ROUNDS} rounds")
    plain_row("resident bytes a job", memory, " B", Goal(700, False, " B"))
    for act in Cost._fields:
        at_many, at_few = [getattr(one, act) for one in many], [getattr(one, act) for one in few]
        what = f"{act}: CPU of the server a job, at {MANY:,}"
        ratio_row(what, at_many, at_few, f"at {FEW:,}", " us", Goal(1.3, False))


def _few_waiting(server: JobsServer) -> Cost:
    """Filled to a thousand and emptied, over and over. The first tenth is not counted: PHP and the prefetch warm up."""
    push = pop = 0.0
    cycles = SAMPLE // FEW
    for cycle in range(-cycles // 10, cycles):
        pushed = _push(server, FEW)
        popped = _pop(server, 0)
        if cycle >= 0:
            push, pop = push + pushed, pop + popped
    return Cost(push / SAMPLE * 1e6, pop / SAMPLE * 1e6)


def _many_waiting(server: JobsServer) -> tuple[float, Cost]:
    empty = resident_bytes(server.pid)
    _push(server, MANY - SAMPLE)
    push = _push(server, SAMPLE)
    size = (resident_bytes(server.pid) - empty) / MANY
    before = _spent(server)
    _resume(server)
    server.wait_for(MANY - SAMPLE, CALM_S)
    gone = MANY - server.waiting()
    pop = _spent(server) - before
    return size, Cost(push / SAMPLE * 1e6, pop / gone * 1e6)


def _push(server: JobsServer, count: int) -> float:
    """CPU seconds that it took the server."""
    before = _spent(server)
    for _ in range(count // BATCH):
        server.push_batch(batch_of(BATCH))
    return _spent(server) - before


def _pop(server: JobsServer, left: int) -> float:
    before = _spent(server)
    _resume(server)
    server.wait_for(left, CALM_S)
    seconds = _spent(server) - before
    _pause(server)
    return seconds


def _spent(server: JobsServer) -> float:
    """CPU seconds; asked for when it sleeps, because what a thread uses is booked when it stops running."""
    time.sleep(CALM_S / 10)
    return seconds_of(server.pid)


def _pause(server: JobsServer) -> None:
    server.rpc.call("jobs.Pause", pipelines(PIPELINE), Codec.PROTO)


def _resume(server: JobsServer) -> None:
    server.rpc.call("jobs.Resume", pipelines(PIPELINE), Codec.PROTO)
