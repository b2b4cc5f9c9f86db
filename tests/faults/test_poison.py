"""A job that kills every worker it meets, among good ones: it runs max_crashes times, all others once."""

import base64
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from server_process import ROOT, wait_until

from rrjobs.rpc.client import RpcClient

LEDGER = ROOT / "php" / "tests" / "workers" / "ledger.php"
GOOD_JOBS = 10_000


@pytest.fixture
def config(settings) -> dict[str, Any]:
    pipelines = {"mail": {"driver": "memory"}, "thin": {"driver": "memory", "max_crashes": 1}}
    return {
        "server": {"command": ["php", str(LEDGER)]},
        "rpc": settings["rpc"],
        "logs": {"mode": "production"},
        "jobs": {"pool": {"num_workers": 2}, "consume": list(pipelines), "pipelines": pipelines},
    }


def job(ident: str, pipeline: str = "mail", payload: str = "", **options: Any) -> dict[str, Any]:
    encoded = base64.b64encode(payload.encode()).decode()
    return {"job": "ping", "id": ident, "payload": encoded, "options": {"pipeline": pipeline, **options}}


def runs(ledger: Path, word: str) -> list[tuple[str, int]]:
    """Id and attempt of each line of one kind."""
    if not ledger.exists():
        return []
    lines = [line.split() for line in ledger.read_text().splitlines()]
    return [(line[0], int(line[2])) for line in lines if line[3] == word]


def idle(client: RpcClient) -> bool:
    stats: Any = client.json("jobs.Stat", {})
    return not any(one.get("active", 0) or one.get("delayed", 0) for one in stats["stats"])


def test_poison_runs_max_crashes_times_and_every_good_job_once(start_server, config, tmp_path):
    ledger = tmp_path / "ledger"
    server = start_server(config, LEDGER=str(ledger))
    jobs = [job(str(number)) for number in range(GOOD_JOBS)]
    jobs.insert(GOOD_JOBS // 3, job("poison", payload='{"die":9}'))
    jobs.insert(GOOD_JOBS // 2, job("thin-poison", "thin", '{"die":11}'))
    jobs.insert(GOOD_JOBS // 2, job("once", "thin", '{"die":9}', auto_ack=True))
    with RpcClient(str(config["rpc"]["listen"])) as client:
        for start in range(0, len(jobs), 500):
            client.json("jobs.PushBatch", {"jobs": jobs[start : start + 500]})
        wait_until(lambda: idle(client), "everything is settled", 60)
        letters: Any = client.json("dead.List", {})
        whole: Any = client.json("dead.Show", {"ids": ["poison"]})
    begun = Counter(runs(ledger, "start"))
    poison = {("poison", 1): 1, ("poison", 2): 1, ("poison", 3): 1, ("thin-poison", 1): 1, ("once", 1): 1}
    assert begun == Counter({(str(number), 1): 1 for number in range(GOOD_JOBS)}) + Counter(poison)
    assert Counter(runs(ledger, "end")) == begun - Counter(poison)
    found = {one["id"]: (one["reason"], one["attempts"], one["crashes"]) for one in letters["letters"]}
    assert found == {"poison": ("crashes", 3, 3), "thin-poison": ("crashes", 1, 1), "once": ("auto_ack", 1, 1)}
    assert whole["letters"][0]["signal"] == signal.SIGKILL
    assert len(server.events("delivery.dead")) == 3
