"""The whole road of a broker: the shipped configuration, `rrjobs run`, real PHP that pushes and real PHP that works."""

import asyncio
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from ports import free_port
from server_process import ROOT, ServerProcess, wait_until

from rrjobs.rpc.client import RpcClient

HERE = Path(__file__).parent
RUNS = 54


class Traveller(NamedTuple):
    """A server on the shipped configuration of one driver, and the file in which PHP notes what it was given."""

    server: ServerProcess
    rpc: str
    seen: Path

    def runs(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Of all jobs, by id and attempt, once there are as many as pushed; none is there twice."""
        wait_until(lambda: len(self._lines()) >= RUNS, f"all have run:\n{self.server.output}")
        runs = [json.loads(line) for line in self._lines()]
        by_id = {(run["id"], run["attempt"]): run for run in runs}
        assert len(runs) == len(by_id) == RUNS
        return by_id

    def settled(self) -> None:
        """Wait until nothing is left in the broker."""
        with RpcClient(self.rpc) as client:
            wait_until(lambda: not any(_left(one) for one in _stats(client)), "the broker has none left")

    def _lines(self) -> list[str]:
        return self.seen.read_text().splitlines() if self.seen.exists() else []


async def travel(
    driver: str,
    variables: Mapping[str, str],
    declared: Mapping[str, Any],
    start_server: Callable[..., Any],
    folder: Path,
) -> Traveller:
    """Start the server with these variables of its configuration, and let PHP push to it."""
    config = yaml.safe_load((ROOT / "config" / f"{driver}.yaml").read_text())
    rpc, seen = f"tcp://127.0.0.1:{free_port()}", folder / "seen"
    config["server"] = {"command": ["php", str(HERE / "worker.php")], "env": {"SEEN": str(seen)}}
    config["rpc"]["listen"] = rpc
    config["status"]["address"] = f"127.0.0.1:{free_port()}"
    server = await asyncio.to_thread(lambda: start_server(config, **variables))
    command = ["php", str(HERE / "producer.php"), rpc, driver, json.dumps(declared)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr + server.output
    assert json.loads(done.stdout) == {"pushed": 50, "driver": driver}
    return Traveller(server, rpc, seen)


def _stats(client: RpcClient) -> list[dict[str, Any]]:
    found = client.json("jobs.Stat", {})
    assert isinstance(found, dict)
    return list(found["stats"])


def _left(stat: Mapping[str, Any]) -> int:
    return sum(int(stat.get(name, 0)) for name in ("active", "delayed", "reserved"))
