"""`make bench`: rates of HTTP and of jobs in memory, each beside the bare prototype in the same run, taken in turn.

BENCH_PROTOTYPES names the folder of the prototypes (http_ingress.py, dispatch_batched.py); without it that column is
empty. BENCH_WORKER and BENCH_JOBS_WORKER are other PHP programs to measure with. Needs wrk for HTTP.
"""

import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from servers import REPOSITORY, free_port, resident_mb, rrjobs, running

from rrjobs.protocol.frame import CODEC_PROTO
from rrjobs.rpc.client import RpcClient

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
JOBS = int(os.environ.get("BENCH_JOBS", "200000"))
BATCH = 500
PHP = "php -d opcache.enable_cli=1 -d opcache.jit_buffer_size=64M -d opcache.jit=tracing"
HTTP_WORKER = os.environ.get("BENCH_WORKER", f"{PHP} {REPOSITORY}/php/examples/hello_http.php")
JOBS_WORKER = os.environ.get("BENCH_JOBS_WORKER", f"{PHP} {REPOSITORY}/php/examples/echo_jobs.php")
PROTOTYPES = os.environ.get("BENCH_PROTOTYPES", "")


def wrk(port: int, connections: int) -> float:
    """Requests per second."""
    command = ["wrk", "-t1", f"-c{connections}", "-d4", f"http://127.0.0.1:{port}/"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if found is None or "Non-2xx" in printed:
        raise RuntimeError(printed)
    return float(found.group(1))


def our_http(connections: int, prefetch: str, folder: Path) -> float:
    port = free_port()
    pool = {"num_workers": 2, "prefetch": prefetch}
    config = {"server": {"command": HTTP_WORKER}, "http": {"address": f"127.0.0.1:{port}", "pool": pool}}
    with rrjobs(config, port, folder):
        return wrk(port, connections)


def prototype_http(connections: int) -> float:
    port = free_port()
    command = [sys.executable, f"{PROTOTYPES}/http_ingress.py", "1", "2", str(port)]
    with running(command, port, {"WORKER": HTTP_WORKER}):
        return wrk(port, connections)


def our_jobs(folder: Path) -> float:
    """Jobs per second, from the first push to the last answer."""
    port = free_port()
    config = {
        "server": {"command": JOBS_WORKER},
        "rpc": {"listen": f"tcp://127.0.0.1:{port}"},
        "jobs": {"pool": {"num_workers": 2}, "consume": ["bench"], "pipelines": {"bench": {"driver": "memory"}}},
    }
    batches = [b"".join(_field(1, _job()) for _ in range(BATCH)) for _ in range(JOBS // BATCH)]
    with rrjobs(config, port, folder), RpcClient(f"tcp://127.0.0.1:{port}") as client:
        began = time.perf_counter()
        for batch in batches:
            client.call("jobs.PushBatch", batch, CODEC_PROTO)
        while client.json("jobs.Stat", {})["stats"][0].get("active"):
            time.sleep(0.005)
        return JOBS / (time.perf_counter() - began)


def prototype_jobs() -> float:
    command = [sys.executable, f"{PROTOTYPES}/dispatch_batched.py", "1", str(JOBS), "2", "uv"]
    env = {**os.environ, "WORKER": JOBS_WORKER}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout
    return float(re.search(r": (\d+) jobs/s", printed).group(1))


def idle(folder: Path) -> tuple[float, float]:
    """Resident MB of an idle HTTP server, and seconds from its start to the first answer."""
    port = free_port()
    config = {"server": {"command": HTTP_WORKER}, "http": {"address": f"127.0.0.1:{port}", "pool": {"num_workers": 2}}}
    began = time.perf_counter()
    with rrjobs(config, port, folder) as server:
        subprocess.run(["curl", "-sf", "-o", os.devnull, f"http://127.0.0.1:{port}/"], check=True)
        return resident_mb(server.pid), time.perf_counter() - began


def row(title: str, ours: Callable[[], float], peer: Callable[[], float] | None) -> None:
    """Both in turn, round by round; medians and the median of the ratios."""
    pairs = [(ours(), peer() if peer is not None else 0.0) for _ in range(ROUNDS)]
    mine = statistics.median(one for one, _ in pairs)
    if peer is None:
        print(f"| {title} | {mine:,.0f} | | |", flush=True)
        return
    theirs = statistics.median(other for _, other in pairs)
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"| {title} | {mine:,.0f} | {theirs:,.0f} | {ratio:.2f} |", flush=True)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _job() -> bytes:
    ident = _field(2, str(uuid.uuid4()).encode())
    return _field(1, b"App.Ping") + ident + _field(3, b"x" * 64) + _field(5, _field(2, b"bench"))


def main() -> None:
    """Print the table."""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    )
    print("\n| what | rrjobs per s | prototype at depth 1 | ratio |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if shutil.which("wrk") is not None:
            for count in (16, 64, 256):
                peer = (lambda count=count: prototype_http(count)) if PROTOTYPES else None
                row(
                    f"HTTP hello, {count} connections, prefetch 1",
                    lambda count=count: our_http(count, "1", folder),
                    peer,
                )
            row(
                "HTTP hello, 64 connections, prefetch auto against 1",
                lambda: our_http(64, "auto", folder),
                lambda: our_http(64, "1", folder),
            )
        peer_jobs = prototype_jobs if PROTOTYPES else None
        row(f"jobs in memory, pushed by {BATCH} and executed", lambda: our_jobs(folder), peer_jobs)
        memory, first = idle(folder)
    print(f"\nidle with HTTP: {memory:.0f} MB resident; first answer {first:.2f} s after the start")


if __name__ == "__main__":
    main()
