"""A burst on a pool that grows, beside one that is always as large as that may become: how long requests wait."""

import contextlib
import selectors
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.bench import contenders, quiet, settings
from tests.bench.report import Goal, heading, ratio_row
from tests.bench.servers import free_port

REQUESTS = 200
FEWEST, MOST = 2, 32
GOAL = Goal(1.5, False)
DEADLINE_S = 30.0
_REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"


class Waits(NamedTuple):
    """Milliseconds from the request to its start in PHP."""

    p50: float
    p99: float


def measure(folder: Path) -> None:
    """One table. A server for each burst: a pool that has grown is not what is measured."""
    grows: list[Waits] = []
    fixed: list[Waits] = []
    for _ in range(settings.ROUNDS):
        grows.append(_measured({"autoscale": {"min": FEWEST, "max": MOST}}, folder))
        fixed.append(_measured({"num_workers": MOST}, folder))
    heading(f"Burst of {REQUESTS} requests of 100 ms, {FEWEST} to {MOST} workers, wait for a worker")
    for part, goal in (("p50", None), ("p99", GOAL)):
        mine = [getattr(one, part) for one in grows]
        ratio_row(part, mine, [getattr(one, part) for one in fixed], f"always {MOST}", " ms", goal=goal)


def _measured(pool: contenders.Section, folder: Path) -> Waits:
    port = free_port()
    program = f"{settings.PHP} {settings.PROGRAMS}/nap_http.php"
    config: contenders.Section = {
        "server": {"command": program},
        "http": {"address": f"127.0.0.1:{port}", "pool": pool},
    }
    with contenders.rrjobs_run(config, port, folder), _connections(port) as clients:
        quiet.wait()
        cuts = statistics.quantiles(_burst(clients), n=100)
    return Waits(cuts[49] / 1e6, cuts[98] / 1e6)


@contextlib.contextmanager
def _connections(port: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(REQUESTS)]


def _burst(clients: list[socket.socket]) -> list[int]:
    """All requests at once; how many nanoseconds each waited."""
    sent = time.monotonic_ns()
    for client in clients:
        client.sendall(_REQUEST)
    answers = dict.fromkeys(clients, b"")
    deadline = time.monotonic() + DEADLINE_S
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ)
        while selector.get_map():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(selector.get_map())} requests were not answered")
            for key, _ in selector.select(1.0):
                client = key.fileobj
                assert isinstance(client, socket.socket)
                data = client.recv(4096)
                answers[client] += data
                if not data:
                    selector.unregister(client)
    return [int(answer.rpartition(b"\r\n\r\n")[2]) - sent for answer in answers.values()]
