"""What is measured of a broker's driver: pushes over RPC, consuming with PHP, latency; the same for every broker.

A broker brings how a server is configured for it, and its bare client as the peer (`Peer`).
"""

import contextlib
import os
import statistics
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rrjobs.rpc.client import RpcClient
from rrjobs.rpc.codec import Codec
from tests.bench import contenders, quiet, settings
from tests.bench.cpu import Cpu, resident_bytes, used
from tests.bench.pacing import push_steadily
from tests.bench.pushing import PAYLOAD, PIPELINE, JobsServer, batch_of, pipelines, push_request
from tests.bench.report import Goal, heading, plain_row, ratio_row
from tests.bench.servers import free_port, wait_until

BATCH = 100
RATE = 500
"""Single pushes a second while the latency is measured, where the broker can follow."""
_RECORD = struct.Struct("<qq")


class Setting(NamedTuple):
    """What a server needs for the broker; `sections` go to the top of its configuration."""

    driver: str
    sections: Mapping[str, Any]
    pipeline: Mapping[str, Any]


class Peer(Protocol):
    """The bare client library on the same broker, with a queue of its own."""

    def setting(self) -> Setting:
        """Of a server with a queue that nobody has used."""
        ...

    def push(self, count: int) -> float:
        """Messages a second, confirmed, as many in flight as BATCH."""
        ...

    def consume(self, count: int) -> float:
        """Messages a second, received and acked, of a queue that holds them."""
        ...

    def latency(self, rate: float, seconds: float) -> list[float]:
        """Milliseconds from publish to receipt."""
        ...

    def single(self, seconds: float) -> float:
        """Messages a second, each published when the one before is confirmed, to a queue that nobody consumes."""
        ...


class Goals(NamedTuple):
    """Ratios to the peer, and rates; None where there is no goal. `single` is while PHP consumes, `alone` is not."""

    push_ratio: float | None
    push_rate: float
    consume_ratio: float | None
    consume_rate: float
    both_rate: float | None = None
    single_rate: float | None = None
    alone_ratio: float | None = None
    alone_rate: float | None = None


class Run(NamedTuple):
    """One round of ours."""

    push: float
    consume: float
    cpu: Cpu
    both: float
    single: float
    alone: float
    resident_mib: float


def measure(peer: Peer, folder: Path, goals: Goals, jobs: int, rate: int = RATE) -> None:
    """One table; `rate`: single pushes a second while the latency is measured."""
    ours: list[Run] = []
    push: list[float] = []
    consume: list[float] = []
    singly: list[float] = []
    delays: list[list[float]] = []
    bare: list[list[float]] = []
    for _ in range(settings.ROUNDS):
        ours.append(_round(peer, folder, jobs))
        quiet.wait()
        push.append(peer.push(jobs))
        quiet.wait()
        consume.append(peer.consume(jobs))
        quiet.wait()
        singly.append(peer.single(settings.SECONDS))
        delays.append(_latencies(peer, folder, rate))
        quiet.wait()
        bare.append(peer.latency(rate, settings.SECONDS))
    heading(f"{peer.setting().driver}: {jobs:,} jobs of 64 B, {settings.WORKERS} PHP workers, beside its bare client")
    rates = [one.push for one in ours]
    what = f"push over RPC by {BATCH}, jobs/s"
    ratio_row(what, rates, push, "bare", goal=_at_least(goals.push_ratio))
    plain_row(what, rates, goal=_at_least(goals.push_rate))
    rates = [one.consume for one in ours]
    what = "consume and ack with PHP, jobs/s"
    ratio_row(what, rates, consume, "bare, without PHP", goal=_at_least(goals.consume_ratio))
    plain_row(what, rates, goal=_at_least(goals.consume_rate))
    what = f"push by {BATCH} while PHP consumes, jobs/s"
    plain_row(what, [one.both for one in ours], goal=_at_least(goals.both_rate))
    what = "one push after another while PHP consumes, jobs/s"
    plain_row(what, [one.single for one in ours], goal=_at_least(goals.single_rate))
    what, rates = "one push after another, jobs/s", [one.alone for one in ours]
    ratio_row(what, rates, singly, "bare", goal=_at_least(goals.alone_ratio))
    plain_row(what, rates, goal=_at_least(goals.alone_rate))
    for name, cut in (("p50", 49), ("p99", 98)):
        mine, theirs = ([statistics.quantiles(one, n=100)[cut] for one in runs] for runs in (delays, bare))
        ratio_row(f"{rate} single pushes/s, push to start, {name}", mine, theirs, "bare", " ms")
    plain_row("CPU s of the server per 10,000 jobs pushed and consumed", [one.cpu.server for one in ours])
    plain_row("CPU s of PHP per 10,000 jobs", [one.cpu.php for one in ours])
    plain_row("resident after it", [one.resident_mib for one in ours], " MiB")


def _at_least(limit: float | None) -> Goal | None:
    return None if limit is None else Goal(limit, True)


@contextlib.contextmanager
def broker_server(worker: str, folder: Path, setting: Setting) -> Iterator[JobsServer]:
    """rrjobs with one paused pipeline on the broker."""
    port = free_port()
    pipeline = {"driver": setting.driver, "config": dict(setting.pipeline)}
    config: contenders.Section = {
        "server": {"command": worker},
        "rpc": {"listen": f"tcp://127.0.0.1:{port}"},
        "jobs": {"pool": {"num_workers": settings.WORKERS}, "pipelines": {PIPELINE: pipeline}},
        **setting.sections,
    }
    with contenders.rrjobs_run(config, port, folder) as process, RpcClient(f"tcp://127.0.0.1:{port}") as rpc:
        yield JobsServer(process.pid, port, rpc)


def waiting(server: JobsServer) -> int:
    """Jobs that the broker still has, delivered or not."""
    stats = server.rpc.json("jobs.Stat", {})
    assert isinstance(stats, dict)
    return sum(int(stats["stats"][0].get(name, 0)) for name in ("active", "reserved"))


def _round(peer: Peer, folder: Path, jobs: int) -> Run:
    with broker_server(settings.jobs_worker(), folder, peer.setting()) as server:
        server.rpc.call("jobs.Resume", pipelines(PIPELINE), Codec.PROTO)
        _push(server, BATCH * 5)
        wait_until(lambda: not waiting(server), "the warm-up was not consumed")
        server.rpc.call("jobs.Pause", pipelines(PIPELINE), Codec.PROTO)
        quiet.wait()
        before = used((server.pid,))
        pushed = _push(server, jobs)
        began = time.perf_counter()
        server.rpc.call("jobs.Resume", pipelines(PIPELINE), Codec.PROTO)
        wait_until(lambda: not waiting(server), "the jobs were not consumed", 300.0, 0.02)
        consumed = jobs / (time.perf_counter() - began)
        cpu = used((server.pid,)).per(before, jobs / 10_000)
        quiet.wait()
        began = time.perf_counter()
        _push(server, jobs)
        wait_until(lambda: not waiting(server), "the jobs were not consumed", 300.0, 0.02)
        both = jobs / (time.perf_counter() - began)
        single = _push_singly(server)
        wait_until(lambda: not waiting(server), "the jobs were not consumed")
        server.rpc.call("jobs.Pause", pipelines(PIPELINE), Codec.PROTO)
        alone = _push_singly(server)
        return Run(pushed, consumed, cpu, both, single, alone, resident_bytes(server.pid) / 2**20)


def _push(server: JobsServer, jobs: int) -> float:
    """Jobs a second."""
    batches = [batch_of(BATCH) for _ in range(jobs // BATCH)]
    began = time.perf_counter()
    for batch in batches:
        server.push_batch(batch)
    return jobs / (time.perf_counter() - began)


def _push_singly(server: JobsServer) -> float:
    """Jobs a second, each pushed when the one before is confirmed."""
    quiet.wait()
    pushed, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < settings.SECONDS:
        server.rpc.call("jobs.Push", push_request(PAYLOAD), Codec.PROTO)
        pushed += 1
    return pushed / spent


def _latencies(peer: Peer, folder: Path, rate: int) -> list[float]:
    """Milliseconds from the push over RPC until PHP has the job."""
    stamps = folder / f"stamps-{time.monotonic_ns()}"
    stamps.mkdir()
    os.environ["BENCH_STAMPS"] = str(stamps)
    with broker_server(settings.stamping_worker(), folder, peer.setting()) as server:
        server.rpc.call("jobs.Resume", pipelines(PIPELINE), Codec.PROTO)
        push_steadily(server.port, rate, 0.5, lambda frame: None)
        wait_until(lambda: not waiting(server), "the warm-up was not consumed")
        for path in stamps.iterdir():
            os.truncate(path, 0)
        quiet.wait()
        push_steadily(server.port, rate, settings.SECONDS, lambda frame: None)
        wait_until(lambda: not waiting(server), "the jobs were not consumed")
        records = [record for path in stamps.iterdir() for record in _RECORD.iter_unpack(path.read_bytes())]
    return [(began - pushed) / 1e6 for pushed, began in records]
