"""HTTP hello: rate, p99 and CPU time, ours in turn with the prototype, nginx + php-fpm and RoadRunner."""

import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.bench import contenders, quiet, settings
from tests.bench.contenders import Server
from tests.bench.cpu import Cpu, used
from tests.bench.report import Goal, heading, ratio_row

CONNECTIONS = (16, 64, 256)
WARM_UP_S = 1.0
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
OURS = "prefetch 1"
AUTO = "prefetch auto"


class Seen(NamedTuple):
    """What the load generator says."""

    rate: float
    p99_ms: float
    requests: int


class Load(NamedTuple):
    """What one load showed."""

    rate: float
    p99_ms: float
    cpu: Cpu
    """Seconds per 1,000 requests."""


def measure(folder: Path) -> None:
    """One table for each kind of PHP program."""
    if shutil.which("wrk") is None:
        print("\nHTTP is not measured: wrk is not installed")
        return
    for kind, worker in settings.http_workers().items():
        seen = _seen(worker, folder)
        heading(f"HTTP hello, {kind} worker, {settings.WORKERS} workers, servers started {settings.STARTS} times")
        for connections in CONNECTIONS:
            _compare(connections, seen[connections])


def _seen(worker: str, folder: Path) -> dict[int, dict[str, list[Load]]]:
    """The loads of each contender, by the number of connections, over several lives of its server."""
    seen: dict[int, dict[str, list[Load]]] = {connections: {} for connections in CONNECTIONS}
    for _ in range(settings.STARTS):
        with ExitStack() as stack:
            servers = {name: stack.enter_context(one) for name, one in _contenders(worker, folder)}
            for server in servers.values():
                _load(server, 16, WARM_UP_S)
            for connections in CONNECTIONS:
                for name, loads in _rounds(servers, connections).items():
                    seen[connections].setdefault(name, []).extend(loads)
    return seen


def _contenders(worker: str, folder: Path) -> Iterator[tuple[str, AbstractContextManager[Server]]]:
    yield OURS, contenders.rrjobs_http(worker, "1", folder)
    if settings.PROTOTYPES:
        yield "prototype", contenders.prototype_http(worker)
    yield AUTO, contenders.rrjobs_http(worker, "auto", folder)
    if settings.ROADRUNNER:
        yield "RoadRunner", contenders.roadrunner_http(worker, folder)
    if contenders.fpm_binary():
        yield "nginx + php-fpm", contenders.nginx_fpm(folder)


def _rounds(servers: dict[str, Server], connections: int) -> dict[str, list[Load]]:
    """In turn, every second round the other way round, so that none profits from its place."""
    seen: dict[str, list[Load]] = {name: [] for name in servers}
    for turn in range(math.ceil(settings.ROUNDS / settings.STARTS)):
        names = list(servers) if turn % 2 == 0 else list(reversed(servers))
        for name in names:
            seen[name].append(_load(servers[name], connections, settings.SECONDS))
    return seen


def _load(server: Server, connections: int, seconds: float) -> Load:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", f"http://127.0.0.1:{server.port}/"]
    quiet.wait()
    before = used(server.roots)
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    after = used(server.roots)
    seen = parse(printed)
    return Load(seen.rate, seen.p99_ms, after.per(before, seen.requests / 1000))


def parse(printed: str) -> Seen:
    """Raises RuntimeError with all that wrk said when not every request was answered well."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", printed)
    count = re.search(r"(\d+) requests in", printed)
    if rate is None or p99 is None or count is None or "Non-2xx" in printed or "Socket errors" in printed:
        raise RuntimeError(printed)
    p99_ms = float(p99.group(1)) * MILLISECONDS[p99.group(2)]
    return Seen(float(rate.group(1)), p99_ms, int(count.group(1)))


def _compare(connections: int, seen: dict[str, list[Load]]) -> None:
    goals = {"prototype": (Goal(0.85, True), Goal(1.0, False)), AUTO: (Goal(1.3, True), None)}
    for name in seen:
        if name == OURS:
            continue
        mine, other, peer = (AUTO, OURS, OURS) if name == AUTO else (OURS, name, name)
        rate, p99 = goals.get(name, (None, None))
        what = f"{connections} connections, {mine}"
        ours, theirs = seen[mine], seen[other]
        ratio_row(f"{what}: requests/s", [one.rate for one in ours], [one.rate for one in theirs], peer, goal=rate)
        ratio_row(f"{what}: p99", [one.p99_ms for one in ours], [one.p99_ms for one in theirs], peer, " ms", goal=p99)
        _compare_cpu(f"{what}: CPU s per 1,000", [one.cpu for one in ours], [one.cpu for one in theirs], peer)


def _compare_cpu(what: str, ours: list[Cpu], theirs: list[Cpu], peer: str) -> None:
    """Server and PHP apart only beside the prototype, whose parts are cut alike."""
    if peer == "prototype":
        ratio_row(f"{what}, server", [one.server for one in ours], [one.server for one in theirs], peer)
        ratio_row(f"{what}, PHP", [one.php for one in ours], [one.php for one in theirs], peer)
    else:
        ratio_row(f"{what}, server and PHP", [sum(one) for one in ours], [sum(one) for one in theirs], peer)
