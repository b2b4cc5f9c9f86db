"""An idle server with HTTP: resident memory, and the time from its start to the first answer."""

import time
import urllib.error
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from tests.bench import contenders, settings
from tests.bench.contenders import Server
from tests.bench.cpu import resident_bytes
from tests.bench.report import Goal, heading, plain_row, ratio_row


class Idle(NamedTuple):
    """Megabytes of the server without its workers, and seconds."""

    memory: float
    first: float


def measure(folder: Path) -> None:
    """One table."""
    worker = settings.http_workers()["array"]
    ours: list[Idle] = []
    original: list[Idle] = []
    for _ in range(settings.ROUNDS):
        ours.append(_look(contenders.rrjobs_http(worker, "1", folder)))
        if settings.ROADRUNNER:
            original.append(_look(contenders.roadrunner_http(worker, folder)))
    heading(f"Idle with HTTP, {settings.WORKERS} workers")
    rows = (("memory", "resident memory", " MB", 60), ("first", "start to first answer", " s", 1))
    for field, what, unit, limit in rows:
        mine = [getattr(one, field) for one in ours]
        plain_row(what, mine, unit, Goal(limit, False, unit))
        if original:
            ratio_row(what, mine, [getattr(one, field) for one in original], "RoadRunner", unit)


def _look(server: AbstractContextManager[Server]) -> Idle:
    began = time.perf_counter()
    with server as up:
        _answered(up.port)
        first = time.perf_counter() - began
        return Idle(resident_bytes(up.roots[0]) / 1e6, first)


def _answered(port: int) -> None:
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).close()
        except urllib.error.URLError:
            time.sleep(0.005)
        else:
            return
