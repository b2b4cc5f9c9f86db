"""RPC calls per second of PHP and Python clients: ours in turn with a bare echo server that gets the same frames."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import quiet, settings
from tests.bench.contenders import Section, rrjobs_run
from tests.bench.report import Goal, heading, plain_row, ratio_row
from tests.bench.servers import free_port, running

OURS = "rrjobs"
PEERS = {"echo": (), "echo on uvloop": ("uvloop",)}
PHP_CLIENT = tuple(settings.calling_client().split())
PYTHON_CLIENT = (sys.executable, "-m", "tests.bench.rpc_calls")
CLIENTS = {
    "1 PHP client": (PHP_CLIENT, 1, Goal(1.3 * 9000, True, "/s")),
    "4 PHP clients": (PHP_CLIENT, 4, Goal(37000, True, "/s")),
    "1 Python client": (PYTHON_CLIENT, 1, None),
    "4 Python clients": (PYTHON_CLIENT, 4, None),
}
"""The goals are calls/s of RoadRunner on another machine, 9 k times 1.3 and 37 k; the echo tells what this one can."""


def measure(folder: Path) -> None:
    """One table."""
    port = free_port()
    config: Section = {"server": {"command": settings.jobs_worker()}, "rpc": {"listen": f"tcp://127.0.0.1:{port}"}}
    ports = {OURS: port, **{name: free_port() for name in PEERS}}
    echoes = [[sys.executable, "-m", "tests.bench.echo", str(ports[name]), *more] for name, more in PEERS.items()]
    heading("RPC calls per second (rpc.Version, JSON, one call at a time for each client)")
    with (
        rrjobs_run(config, port, folder),
        running(echoes[0], ports["echo"]),
        running(echoes[1], ports["echo on uvloop"]),
    ):
        for what, (client, count, goal) in CLIENTS.items():
            seen: dict[str, list[float]] = {name: [] for name in ports}
            for turn in range(settings.ROUNDS):
                for name in list(ports)[:: 1 if turn % 2 == 0 else -1]:
                    seen[name].append(_together(client, count, ports[name]))
            plain_row(what, seen[OURS], "/s", goal)
            for name in PEERS:
                ratio_row(what, seen[OURS], seen[name], name, "/s")


def _together(client: Sequence[str], count: int, port: int) -> float:
    """Calls per second of all of them."""
    command = [*client, f"tcp://127.0.0.1:{port}", str(settings.SECONDS)]
    quiet.wait()
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=settings.REPOSITORY) for _ in range(count)
    ]
    rates = [float(one.communicate()[0]) for one in started]
    return sum(rates)
