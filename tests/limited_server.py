"""A server whose pipelines have limits: what runs at once, in which order, is read from the ledger of its workers."""

import base64
import json
from pathlib import Path
from typing import Any

from server_process import ServerProcess, wait_until

from rrjobs.rpc.client import RpcClient


class LimitedServer:
    """A server, its client, and what its workers (php/tests/workers/ledger.php) wrote down."""

    def __init__(self, process: ServerProcess, ledger: Path) -> None:
        self.process = process
        self.ledger = ledger

    def call(self, method: str, argument: Any) -> Any:
        with RpcClient(str(self.process.config["rpc"]["listen"])) as client:
            return client.json(method, argument)

    def push(self, pipeline: str, *idents: str, ms: int = 0, priority: int = 10, **headers: str) -> None:
        payload = base64.b64encode(json.dumps({"ms": ms}).encode()).decode()
        sent = {name: {"value": [value]} for name, value in headers.items()}
        options = {"pipeline": pipeline, "priority": priority}
        jobs = [{"job": "ping", "id": one, "payload": payload, "headers": sent, "options": options} for one in idents]
        self.call("jobs.PushBatch", {"jobs": jobs})

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.ledger.read_text().splitlines()] if self.ledger.exists() else []

    def started(self) -> list[str]:
        return [line[0] for line in self.lines() if line[-1] == "start"]

    def done(self, number: int) -> None:
        def all_done() -> bool:
            return sum(line[-1] == "end" for line in self.lines()) >= number and not self.active()

        wait_until(all_done, f"{number} jobs are done", 40)

    def active(self) -> int:
        return sum(one.get("active", 0) + one.get("reserved", 0) for one in self.call("jobs.Stat", {})["stats"])

    def at_once(self, of: str) -> int:
        """The most jobs that ran at once, of those whose id begins so."""
        running, most = 0, 0
        for ident, *_, what in self.lines():
            if ident.startswith(of):
                running += 1 if what == "start" else -1
                most = max(most, running)
        return most

    def limits(self, pipeline: str) -> dict[str, Any]:
        (found,) = self.call("jobs.Limits", {"pipelines": [pipeline]})["pipelines"]
        return dict(found)


def names(prefix: str, number: int) -> list[str]:
    return [f"{prefix}-{one}" for one in range(number)]
