"""A shop that is never closed: servers that follow one another in one folder, and customers who come all the time."""

import base64
import http.client
import itertools
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ports import free_port
from server_process import ROOT, ServerProcess, wait_until

from rrjobs.rpc.client import RpcClient

PAUSE_S = 0.002
"""Between two requests of a customer: the machine has other things to do."""


class Shop:
    """`config` of the servers, which can be changed from one to the next; `server` is the one that was started last."""

    def __init__(self, folder: Path, **pipeline: Any) -> None:
        self.folder = folder
        self.ledger = folder / "ledger.txt"
        self.end = folder / "end"
        self.port = free_port()
        self.config: dict[str, Any] = {
            "server": {"command": self.command(), "env": {"LEDGER": str(self.ledger)}},
            "any": {"pool": {"num_workers": 2}},
            "http": {"address": f"127.0.0.1:{self.port}"},
            "jobs": {"consume": ["work"], "pipelines": {"work": {"driver": "memory", **pipeline}}},
            "rpc": {"listen": f"tcp://127.0.0.1:{free_port()}"},
            "status": {"address": f"127.0.0.1:{free_port()}"},
            "metrics": {"address": f"127.0.0.1:{free_port()}"},
            "logs": {"mode": "production"},
            "endure": {"grace_period": "10s"},
        }
        self.servers: list[ServerProcess] = []

    @staticmethod
    def command(*arguments: str) -> list[str]:
        """Of the workers."""
        return ["php", str(ROOT / "php/tests/workers/shop.php"), *arguments]

    @property
    def server(self) -> ServerProcess:
        return self.servers[-1]

    def start(self, *flags: str) -> ServerProcess:
        """The next server, as far as it gets by itself."""
        self.servers.append(ServerProcess(self.folder, self.config, flags))
        return self.server

    def push(self, *idents: str, **order: Any) -> None:
        """Jobs, to the last server; returns when it has them."""
        payload = base64.b64encode(json.dumps(order).encode()).decode()
        jobs = [{"id": one, "job": "shop", "payload": payload, "options": {"pipeline": "work"}} for one in idents]
        with RpcClient(self.config["rpc"]["listen"]) as client:
            client.json("jobs.PushBatch", {"jobs": jobs})

    def jobs_left(self) -> int:
        """Waiting, delayed or running at the last server."""
        with RpcClient(self.config["rpc"]["listen"]) as client:
            (row,) = client.json("jobs.Stat", {})["stats"]
        return int(row.get("active", 0)) + int(row.get("delayed", 0)) + bool(row.get("error"))

    def runs(self) -> Counter[str]:
        """How often each job has run to its end."""
        text = self.ledger.read_text() if self.ledger.exists() else ""
        return Counter(line.split()[0] for line in text.splitlines())

    def settle(self) -> None:
        """Until every job has run; then stop."""
        wait_until(lambda: self.jobs_left() == 0, "all jobs have run", 60)
        assert self.server.stop() == 0

    def close(self) -> None:
        for server in self.servers:
            server.close()


class Customers:
    """Each in a thread: half of them keep their connection, the others come anew each time. Every third request pushes.

    `failures` is whatever was not a proper answer, `pushed` are the jobs of those that were, `served` counts versions.
    """

    def __init__(self, port: int, number: int = 4, ms: int = 1) -> None:
        self.failures: list[str] = []
        self.pushed: list[str] = []
        self.served: Counter[str] = Counter()
        self._port = port
        self._ms = ms
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._come, args=(index,)) for index in range(number)]

    def __enter__(self) -> "Customers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(60)

    def wait_for(self, more: int) -> None:
        """So many further answers."""
        enough = self.served.total() + more
        wait_until(lambda: self.served.total() >= enough or self.failures, f"{more} more answers", 60)
        assert not self.failures, self.failures[:3]

    def _come(self, index: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=40)
        for number in itertools.count():
            if self._enough.is_set():
                break
            ident = f"job-{index}-{number}"
            path = f"/push?id={ident}&ms={self._ms}" if number % 3 == 0 else f"/?ms={self._ms}"
            began = time.monotonic()
            try:
                connection.request("GET", path)
                with connection.getresponse() as answer:
                    text = answer.read().decode()
                    status = answer.status
            except (OSError, http.client.HTTPException) as err:
                self.failures.append(f"{path} after {time.monotonic() - began:.3f} s: {err!r}")
                connection.close()
                continue
            if status != 200:
                self.failures.append(f"{path}: {status} {text[:100]}")
            elif path.startswith("/push"):
                self.pushed.append(ident)
                self.served["pushed"] += 1
            else:
                self.served[text.split()[-1]] += 1
            if index % 2:
                connection.close()
            self._enough.wait(PAUSE_S)
        connection.close()
