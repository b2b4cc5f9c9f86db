"""One worker that does not move, while the others do, is no silent stop: readiness is red and says which and why."""

import base64
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from server_process import ROOT, ServerProcess, wait_until

from rrjobs.rpc.client import RpcClient

RUDE = ROOT / "php" / "tests" / "workers" / "rude.php"


@pytest.fixture
def site(start_server, settings):
    """Two workers for jobs, eight deliveries ahead, and little patience."""
    del settings["any"], settings["http"]
    settings["server"]["command"] = ["php", str(RUDE)]
    settings["jobs"]["pool"] = {"num_workers": 2, "prefetch": 8}
    settings["status"]["liveness_s"] = 1
    return start_server({**settings, "endure": {"grace_period": "1s"}})


def readiness(server: ServerProcess) -> tuple[int, str]:
    port = int(str(server.config["status"]["address"]).rpartition(":")[2])
    code, body = server.get("/ready?plugin=jobs", port)
    return code, json.loads(body)[0]["error_message"]


def push(server: ServerProcess, *orders: dict[str, Any]) -> None:
    jobs = [
        {"job": "rude", "payload": encoded(order), "options": {"pipeline": "mail"}, "id": str(number)}
        for number, order in enumerate(orders)
    ]
    with RpcClient(str(server.config["rpc"]["listen"])) as client:
        client.json("jobs.PushBatch", {"jobs": jobs})


def encoded(order: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(order).encode()).decode()


def test_deliveries_behind_one_that_does_not_end_turn_readiness_red_while_another_worker_goes_on(site):
    push(site, {"do": "hang"}, *[{"do": "ok", "ms": 25}] * 300)
    red = wait_until(lambda: (got := readiness(site))[0] == 503 and got[1], "readiness is red")
    assert "has been at 0 for 1 s, and deliveries written behind it wait: 7" in red, red
    (stuck,) = [pid for pid in site.workers() if f"worker {pid} of pool jobs" in red]
    wait_until(lambda: site.events("pool.stalled"), "the log tells it")
    assert site.cli("jobs", "pause", "mail").returncode == 0
    os.kill(stuck, signal.SIGKILL)
    wait_until(lambda: site.events("pool.moving"), "the log tells that it moves again")


def test_a_program_that_does_not_read_what_it_was_lent_turns_readiness_red(site):
    deaf = min(site.workers())
    os.kill(deaf, signal.SIGSTOP)
    wait_until(lambda: Path(f"/proc/{deaf}/stat").read_text().rpartition(")")[2].split()[0] == "T", "it has stopped")
    push(site, {"do": "ok"}, {"do": "ok"})
    red = wait_until(lambda: (got := readiness(site))[0] == 503 and got[1], "readiness is red")
    assert red.startswith(f"worker {deaf} of pool jobs has not read "), red
    os.kill(deaf, signal.SIGCONT)
    wait_until(lambda: readiness(site) == (200, ""), "readiness is green again")


def test_a_long_job_with_nothing_behind_it_is_work(site, tmp_path: Path):
    began = tmp_path / "began"
    push(site, {"do": "ok", "ms": 2500, "once": str(began)})
    wait_until(began.exists, "it runs")
    while began.exists() and not site.events("pool.stalled") and left(site):
        assert readiness(site) == (200, "")
    assert not site.events("pool.stalled")


def left(server: ServerProcess) -> int:
    with RpcClient(str(server.config["rpc"]["listen"])) as client:
        (row,) = client.json("jobs.Stat", {})["stats"]
    return int(row.get("active", 0)) + int(row.get("reserved", 0))
