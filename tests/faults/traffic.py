"""Requests and jobs without a pause, from threads, and the account of what became of each."""

import base64
import http.client
import json
import random
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from server_process import ServerProcess, wait_until

from rrjobs.rpc.client import RpcClient

CLIENTS = 3
BATCH = 20
MAX_LEFT = 200
"""Jobs that may wait: then nothing is pushed for a moment."""


class Traffic:
    """`crash`: the share of requests and jobs that end their process. `wrong` are answers that should not have been."""

    def __init__(self, server: ServerProcess, ledger: Path, crash: float = 0.0) -> None:
        self.ledger = ledger
        self.wrong: list[str] = []
        self.statuses: Counter[int] = Counter()
        self.good: set[str] = set()
        self.poison: set[str] = set()
        self._crash = crash
        self._http = str(server.config["http"]["address"])
        self._rpc = str(server.config["rpc"]["listen"])
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._number = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """From now on."""
        self._stop.clear()
        works = [self._requests] * CLIENTS + [self._jobs]
        self._threads = [threading.Thread(target=self._guarded, args=(work,)) for work in works]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Until nothing is under way any more: requests answered, jobs settled."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        wait_until(lambda: not self.left(), "every job is settled", 60)

    def left(self) -> int:
        """Jobs that wait or run."""
        with RpcClient(self._rpc) as client:
            (row,) = client.json("jobs.Stat", {})["stats"]
        return int(row.get("active", 0)) + int(row.get("delayed", 0)) + int(row.get("reserved", 0))

    def check(self, max_crashes: int) -> None:
        """Every request had its own answer, every good job ran once, and every bad one as often as it may crash."""
        assert not self.wrong, f"{len(self.wrong)} of {self.statuses.total()} requests: {self.wrong[:5]}"
        begun: Counter[str] = Counter()
        ended: Counter[str] = Counter()
        for line in self.ledger.read_text().splitlines():
            ident, _, _, word = line.split()
            (begun if word == "start" else ended)[ident] += 1
        assert ended == Counter(self.good), "a job is lost, or was executed twice"
        assert begun == ended + Counter(dict.fromkeys(self.poison, max_crashes))

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except Exception as err:
            self.wrong.append(f"{work.__name__}: {err!r}")

    def _requests(self) -> None:
        chance = random.Random(threading.get_ident())
        connection = http.client.HTTPConnection(self._http, timeout=30)
        try:
            while not self._stop.is_set():
                path = chance.choice(["/fast"] * 6 + ["/slow", "/stream"])
                if chance.random() < self._crash:
                    path = "/crash"
                self._request(connection, path, f"n={self._next()}")
        finally:
            connection.close()

    def _request(self, connection: http.client.HTTPConnection, path: str, query: str) -> None:
        connection.request("GET", f"{path}?{query}")
        answer = connection.getresponse()
        body = answer.read()
        self.statuses[answer.status] += 1
        expected = (500, None) if path == "/crash" else (200, query.encode())
        if answer.status != expected[0] or expected[1] not in (None, body):
            self.wrong.append(f"{path}?{query}: {answer.status} {body[:200]!r}")

    def _jobs(self) -> None:
        chance = random.Random(7)
        with RpcClient(self._rpc) as client:
            while not self._stop.wait(0.05):
                if self.left() > MAX_LEFT:
                    continue
                jobs = [self._job(chance) for _ in range(BATCH)]
                client.json("jobs.PushBatch", {"jobs": jobs})

    def _job(self, chance: random.Random) -> dict[str, Any]:
        ident = f"job-{self._next()}"
        order = {"ms": chance.choice([0, 0, 0, 1, 20])}
        if chance.random() < self._crash / 4:
            order["die"] = 9
        (self.poison if "die" in order else self.good).add(ident)
        payload = base64.b64encode(json.dumps(order).encode()).decode()
        return {"id": ident, "job": f"job-{order['ms']}", "payload": payload, "options": {"pipeline": "mail"}}

    def _next(self) -> int:
        with self._lock:
            self._number += 1
            return self._number


def metrics(server: ServerProcess) -> dict[str, float]:
    """Every sample by its name and labels."""
    port = int(str(server.config["metrics"]["address"]).rpartition(":")[2])
    _, body = server.get("/metrics", port)
    found: dict[str, float] = {}
    for line in body.decode().splitlines():
        name, _, value = line.rpartition(" ")
        with suppress(ValueError):
            found[name] = float(value)
    return found
