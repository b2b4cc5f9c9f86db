"""Memory jobs through a whole server: pushed over RPC, executed by real PHP, written into a ledger."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from server_process import ROOT, ServerProcess, wait_until

from rrjobs.rpc.client import RpcClient

pytestmark = pytest.mark.skipif(shutil.which("php") is None, reason="php is not installed")


@pytest.fixture
def config(settings: dict[str, Any]) -> dict[str, Any]:
    worker = ROOT / "php" / "tests" / "workers" / "ledger.php"
    pipelines = {"mail": {"driver": "memory"}, "later": {"driver": "memory", "config": {"prefetch": 3}}}
    return {
        "server": {"command": ["php", str(worker)]},
        "rpc": settings["rpc"],
        "logs": {"mode": "production"},
        "jobs": {"pool": {"num_workers": 2}, "consume": ["mail"], "pipelines": pipelines},
    }


def push(client: RpcClient, pipeline: str, *jobs: tuple[str, int, int]) -> None:
    """Jobs of (id, priority, delay)."""
    made = []
    for ident, priority, delay in jobs:
        options = {"pipeline": pipeline, "priority": priority, "delay": delay}
        made.append({"job": "ping", "id": ident, "options": options})
    client.json("jobs.PushBatch", {"jobs": made})


def counts(client: RpcClient, pipeline: str) -> tuple[int, int]:
    stats: Any = client.json("jobs.Stat", {})
    found = next(stat for stat in stats["stats"] if stat["pipeline"] == pipeline)
    return found.get("active", 0), found.get("delayed", 0)


def started(ledger: Path) -> list[str]:
    """Ids in the order in which workers took them."""
    if not ledger.exists():
        return []
    return [line.split()[0] for line in ledger.read_text().splitlines() if line.endswith("start")]


def connected(server: ServerProcess) -> RpcClient:
    return RpcClient(str(server.config["rpc"]["listen"]))


def test_every_job_is_executed_once_and_the_counts_end_at_zero(start_server, config, tmp_path):
    ledger = tmp_path / "ledger"
    server = start_server(config, LEDGER=str(ledger))
    with connected(server) as client:
        for start in range(0, 2000, 250):
            push(client, "mail", *((str(number), 1 + number % 3, 0) for number in range(start, start + 250)))
        push(client, "mail", ("delayed", 0, 2))
        assert counts(client, "mail")[1] == 1
        wait_until(lambda: counts(client, "mail") == (0, 0), "all jobs are done")
    assert sorted(started(ledger)) == sorted([*map(str, range(2000)), "delayed"])


def test_one_worker_takes_a_resumed_backlog_by_priority_and_in_order(start_server, config, tmp_path):
    ledger = tmp_path / "ledger"
    config["jobs"]["pool"]["num_workers"] = 1
    server = start_server(config, LEDGER=str(ledger))
    with connected(server) as client:
        push(
            client, "later", *((f"{priority}-{number}", priority, 0) for number in range(40) for priority in (3, 1, 2))
        )
        assert counts(client, "later") == (120, 0)
        assert started(ledger) == []
        client.json("jobs.Resume", {"pipelines": ["later"]})
        wait_until(lambda: counts(client, "later") == (0, 0), "all jobs are done")
    assert started(ledger) == [f"{priority}-{number}" for priority in (1, 2, 3) for number in range(40)]


def test_a_pipeline_is_declared_paused_and_destroyed_while_the_server_runs(start_server, config, tmp_path):
    ledger = tmp_path / "ledger"
    server = start_server(config, LEDGER=str(ledger))
    with connected(server) as client:
        client.json("jobs.Declare", {"pipeline": {"name": "made", "driver": "memory", "priority": "5"}})
        push(client, "made", ("early", 0, 0), ("never", 0, 60))
        client.json("jobs.Resume", {"pipelines": ["made"]})
        wait_until(lambda: counts(client, "made") == (0, 1), "the job is done")
        client.json("jobs.Pause", {"pipelines": ["made"]})
        push(client, "made", ("dropped", 0, 0))
        assert counts(client, "made") == (1, 1)
        assert client.json("jobs.Destroy", {"pipelines": ["made"]}) == {"pipelines": ["made"]}
        assert client.json("jobs.List", {}) == {"pipelines": ["mail", "later"]}
        push(client, "mail", ("last", 0, 0))
        wait_until(lambda: "last" in started(ledger), "the server goes on")
    assert started(ledger) == ["early", "last"]


def test_a_worker_begins_no_job_before_a_kill_of_the_server_would_be_known_to_have_cut_it_off(
    start_server, config, tmp_path
):
    config["server"]["command"][1] = str(ROOT / "php" / "tests" / "workers" / "noted.php")
    journal = tmp_path / "journal"
    config["jobs"]["pipelines"]["mail"]["config"] = {"journal": {"path": str(journal), "sync": "interval"}}
    missing = tmp_path / "missing"
    server = start_server(config, LENT=str(journal / "lent"), MISSING=str(missing))
    with connected(server) as client:
        for start in range(1, 2001, 250):
            push(client, "mail", *((str(number), 0, 0) for number in range(start, start + 250)))
        wait_until(lambda: counts(client, "mail") == (0, 0), "all jobs are done")
        push(client, "mail", ("2001", 0, 0))  # alone, for a worker that is free
        wait_until(lambda: counts(client, "mail") == (0, 0), "the last one is done")
    assert not missing.exists(), missing.read_text().split()
