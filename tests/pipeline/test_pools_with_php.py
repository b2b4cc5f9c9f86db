"""Several pools of jobs on a whole server with real PHP workers: each pool's workers write a ledger of their own."""

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from server_process import ROOT, ServerProcess, wait_until

from rrjobs.rpc.client import RpcClient

pytestmark = pytest.mark.skipif(shutil.which("php") is None, reason="php is not installed")

PIPELINES: dict[str, dict[str, Any]] = {
    "fast": {"pool": "quick"},
    "slow": {"pool": "bulk"},
    "vip": {"pool": "bulk", "reserve": 1},
    "own": {},
}


class House:
    """A server with the pools `quick` (1 worker) and `bulk` (3, one of them kept free for `vip`)."""

    def __init__(self, server: ServerProcess, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def push(self, pipeline: str, *idents: str, ms: int = 0, pool: str = "") -> None:
        headers = {"pool": {"value": [pool]}} if pool else {}
        payload = base64.b64encode(json.dumps({"ms": ms}).encode()).decode()
        rest = {"payload": payload, "headers": headers, "options": {"pipeline": pipeline}}
        with RpcClient(str(self.server.config["rpc"]["listen"])) as client:
            client.json("jobs.PushBatch", {"jobs": [{"job": "ping", "id": ident, **rest} for ident in idents]})

    def did(self, pool: str, what: str = "end") -> list[str]:
        """The jobs that workers of a pool began (`start`) or ended, in order."""
        ledger = self.folder / pool
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        return [line.split()[0] for line in lines if line.endswith(what)]

    def most_at_once(self, pool: str, prefix: str) -> int:
        running = most = 0
        for line in (self.folder / pool).read_text().splitlines():
            if line.startswith(prefix):
                running += 1 if line.endswith("start") else -1
                most = max(most, running)
        return most

    def metric(self, name: str) -> float:
        port = int(self.server.config["metrics"]["address"].rpartition(":")[2])
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.server.get("/", port)[1].decode(), re.MULTILINE)
        return float(found[1]) if found else -1.0

    def letters(self, pipeline: str) -> dict[str, str]:
        """Why which job failed for good."""
        with RpcClient(str(self.server.config["rpc"]["listen"])) as client:
            return {one["id"]: one["error"] for one in client.json("dead.List", {"pipelines": [pipeline]})["letters"]}


@pytest.fixture
def house(start_server, settings, free_port, tmp_path) -> House:
    worker = str(ROOT / "php" / "tests" / "workers" / "ledger.php")

    def pool(name: str, workers: int) -> dict[str, Any]:
        command = ["env", f"LEDGER={tmp_path / name}", "php", worker]
        return {"command": command, "num_workers": workers, "prefetch": 1}

    config = {
        "server": {"command": ["php", worker]},
        "rpc": settings["rpc"],
        "logs": {"mode": "production"},
        "metrics": {"address": f"127.0.0.1:{free_port()}"},
        "jobs": {
            "pools": {"quick": pool("quick", 1), "bulk": pool("bulk", 3)},
            "consume": list(PIPELINES),
            "pipelines": {name: {"driver": "memory", **keys} for name, keys in PIPELINES.items()},
        },
    }
    return House(start_server(config), tmp_path)


def test_the_pipeline_says_which_pool_runs_its_jobs_unless_the_job_says_another(house):
    house.push("fast", "f1", "f2")
    house.push("slow", "s1")
    house.push("slow", "s2", pool="quick")
    house.push("own", "o1", pool="bulk")
    house.push("own", "o2", pool="quick")
    wait_until(lambda: len(house.did("quick")) == 4 and len(house.did("bulk")) == 2, "all ran")
    assert sorted(house.did("quick")) == ["f1", "f2", "o2", "s2"]
    assert sorted(house.did("bulk")) == ["o1", "s1"]


def test_a_job_for_a_pool_that_does_not_exist_is_a_dead_letter_that_says_so(house):
    house.push("fast", "lost", pool="nowhere")
    house.push("own", "homeless")
    house.push("fast", "fine")
    wait_until(lambda: house.did("quick") == ["fine"], "the others run")
    wait_until(lambda: house.letters("fast") and house.letters("own"), "the two are dead letters")
    assert "there is no pool 'nowhere' of jobs.pools" in house.letters("fast")["lost"]
    assert "the pipeline names no pool of jobs.pools" in house.letters("own")["homeless"]
    assert "homeless" not in house.did("bulk", "start") + house.did("quick", "start")


def test_a_worker_kept_free_in_one_pool_is_told_in_metrics_and_costs_the_other_pool_nothing(house):
    house.push("slow", *(f"slow-{number}" for number in range(6)), ms=700)
    held = 'rrjobs_jobs_held{pipeline="slow",why="reserve"}'
    wait_until(lambda: house.metric(held) == 4, "four are held for the reservation")
    assert house.metric('rrjobs_jobs_held{pipeline="slow",why="rate"}') == 0
    assert house.metric('rrjobs_jobs_let_on{pipeline="slow"}') == 2
    house.push("vip", "vip")
    house.push("fast", "fast")
    wait_until(lambda: "vip" in house.did("bulk") and "fast" in house.did("quick"), "both have a worker at once")
    assert len(house.did("bulk", "start")) < 7, "while others still waited"
    wait_until(lambda: len(house.did("bulk")) == 7, "then the others")
    assert house.most_at_once("bulk", "slow") == 2
    wait_until(lambda: house.metric(held) == 0, "nothing is held any more")


def test_a_pipeline_of_a_pool_that_does_not_exist_is_refused(house):
    config = house.server.config
    config["jobs"]["pipelines"]["fast"]["pool"] = "nowhere"
    (house.folder / "wrong.json").write_text(json.dumps(config))
    checked = house.server.cli("-c", str(house.folder / "wrong.json"), "config", "check")
    assert checked.returncode != 0
    assert "jobs.pipelines.fast.pool" in checked.stderr and "nowhere" in checked.stderr
