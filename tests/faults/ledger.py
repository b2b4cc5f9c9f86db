"""A server whose jobs write down what they do, pushed to and killed from outside, restarted in the same folder."""

import base64
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ports import free_port
from server_process import ROOT, ServerProcess, wait_until

from rrjobs.errors import RpcError
from rrjobs.rpc.client import RpcClient

PREFETCH = 4
WORKERS = 2
LOG_TAIL = 20_000
"""Characters of a server's output that a failed test shows."""


class Ledger:
    """One journey of jobs through any number of servers. `accepted` are the ids whose push returned."""

    def __init__(
        self,
        folder: Path,
        pipeline: dict[str, Any],
        prefetch: int | str = PREFETCH,
        sections: Mapping[str, Any] | None = None,
    ) -> None:
        """`sections`: the driver's own. Two ledgers of one folder are two servers on one queue."""
        self.folder = folder
        self.path = folder / "ledger.txt"
        self.accepted: list[str] = []
        self.kills = 0
        self._pushed = 0
        self._rpc = f"tcp://127.0.0.1:{free_port()}"
        self.status = f"127.0.0.1:{free_port()}"
        self.environment = {"LEDGER": str(self.path)}
        self.config: dict[str, Any] = {
            "server": {
                "command": ["php", str(ROOT / "php/tests/workers/ledger.php")],
                "env": self.environment,
            },
            "jobs": {
                "pool": {"num_workers": WORKERS, "prefetch": prefetch},
                "consume": ["work"],
                "pipelines": {"work": {"driver": "memory", "max_crashes": 50, **pipeline}},
            },
            "rpc": {"listen": self._rpc},
            "logs": {"mode": "production"},
            "endure": {"grace_period": "10s"},
            "status": {"address": self.status, "liveness_s": 2},
            **(sections or {}),
        }
        self.server: ServerProcess
        self._servers: list[ServerProcess] = []
        self._server_environment: dict[str, str] = {}

    def start(self) -> ServerProcess:
        """The next server in the same folder."""
        self.server = ServerProcess(self.folder, self.config, **self._server_environment)
        self._servers.append(self.server)
        return self.server.ready()

    def jump(self, offset_s: float) -> None:
        """The wall clock of the servers is this far from the true one; before the first of them starts, and later."""
        at = self.folder / "clock"
        fresh = at.with_suffix(".new")
        fresh.write_text(str(offset_s))
        fresh.rename(at)
        path = os.pathsep.join([str(ROOT / "tests/faults/clock"), str(ROOT)])
        self._server_environment = {"CLOCK_OFFSET": str(at), "PYTHONPATH": path}

    def push(self, number: int, delay_s: int = 0, **order: object) -> bool:
        """A batch, and whether it was acknowledged; what is not may or may not run."""
        idents = [f"job-{self._pushed + at}" for at in range(number)]
        self._pushed += number
        payload = base64.b64encode(json.dumps(order).encode()).decode()
        options = {"pipeline": "work", "delay": delay_s}
        jobs = [{"id": one, "job": "ledger", "payload": payload, "options": options} for one in idents]
        try:
            with RpcClient(self._rpc) as client:
                client.json("jobs.PushBatch", {"jobs": jobs})
        except RpcError as err:
            print(f"{idents[0]} to {idents[-1]}: {err}")
            return False
        self.accepted += idents
        return True

    def stat(self) -> dict[str, Any]:
        """What the server says of the pipeline, its trouble too, which `jobs.Stat` has no place for."""
        with RpcClient(self._rpc) as client:
            (row,) = client.json("informer.Jobs", "jobs")
        return dict(row)

    def kill_worker(self) -> None:
        """One of them, if there is any."""
        workers = sorted(self.server.workers())
        if workers:
            with suppress(ProcessLookupError):
                os.kill(random.choice(workers), signal.SIGKILL)
            self.kills += 1

    def kill_server(self) -> None:
        """And with it all workers."""
        self.server.signal(signal.SIGKILL)
        self.server.wait()
        self.kills += 1

    def letters(self) -> set[str]:
        """Ids of the dead letters; empty when nobody can tell."""
        with suppress(RpcError), RpcClient(self._rpc) as client:
            return {one["id"] for one in client.json("dead.List", {})["letters"]}
        return set()

    def left(self) -> int:
        """Jobs waiting, delayed or running; more than any number when nobody can tell."""
        with suppress(RpcError):
            row = self.stat()
            if not row["ErrorMessage"]:
                return sum(int(row[name]) for name in ("Active", "Delayed", "Reserved"))
        return 1 << 62

    def settle(self, dead: int = 0) -> None:
        """Until all accepted jobs, less the dead ones, have ended and nothing is left; then stop."""
        self.all_run(dead, lambda: self.left() == 0)
        assert self.server.stop() == 0

    def all_run(self, dead: int = 0, also: Callable[[], bool] = lambda: True, timeout_s: float = 90) -> None:
        """Wait until all accepted jobs, less the dead ones, have ended."""
        try:
            wait_until(lambda: self.missing() <= dead and also(), "all jobs have run", timeout_s)
        except AssertionError:
            ended = self.lines("end")
            print("not ended:", [one for one in self.accepted if not ended[one]], "the pipeline:", self.stat())
            raise

    def missing(self) -> int:
        """Accepted jobs that have not ended."""
        ended = self.lines("end")
        return sum(1 for ident in self.accepted if not ended[ident])

    def lines(self, word: str) -> Counter[str]:
        """How often each job has written this."""
        return Counter(self.order(word))

    def order(self, word: str) -> list[str]:
        """The jobs that have written this, one after the other."""
        if not self.path.exists():
            return []
        return [line.split()[0] for line in self.path.read_text().splitlines() if line.endswith(word)]

    def runs(self) -> Counter[tuple[str, int]]:
        """How often each attempt of a job has begun."""
        starts = [line.split() for line in self.path.read_text().splitlines() if line.endswith("start")]
        return Counter((ident, int(attempt)) for ident, _, attempt, _ in starts)

    def close(self) -> None:
        """Whatever happened, nothing is left; what the servers wrote is shown where the test failed.

        A fault from outside is nothing that a driver did not expect: no traceback, no run of a driver that failed.
        """
        for number, server in enumerate(self._servers):
            print(f"--- server {number} of {self.folder}, process {server.pid}\n{server.output[-LOG_TAIL:]}")
            server.close()
        for server in self._servers:
            assert "Traceback" not in server.output and not server.events("pipeline.failed")
