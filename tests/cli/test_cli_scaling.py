"""A server whose pool follows the load, seen from outside: requests, the log, `rrjobs workers`."""

import io
import json
import threading
from pathlib import Path

import pytest
from rich.console import Console
from server_process import wait_until

from rrjobs.cli.pools_table import pools_table

NAP = Path(__file__).resolve().parents[1] / "bench" / "php" / "nap_http.php"


@pytest.fixture
def server(start_server, settings):
    scale = {"min": 1, "max": 4, "target_wait_ms": 20, "idle_s": 1}
    settings["any"]["pool"] = {"autoscale": scale, "command": ["php", str(NAP)]}
    return start_server(settings)


def burst(server, number: int) -> list[int]:
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(server.get("/")[0])) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def test_a_burst_is_answered_by_more_workers_and_the_range_with_its_reason_is_shown(server):
    assert burst(server, 24) == [200] * 24
    (grown, *_) = server.events("pool.scaled")
    assert grown["before"] == 1 and grown["workers"] > 1
    (pool,) = json.loads(server.cli("workers", "--json").stdout)["pools"]
    assert (pool["pool"], pool["min"], pool["max"]) == ("any", 1, 4)
    assert pool["reason"]
    printed = server.cli("workers", "http").stdout
    assert "of 1-4" in printed and "ago:" in printed
    wait_until(lambda: len(server.workers()) == 1, "the surplus is stopped when it idled")
    assert "idle for 1 s" in server.events("pool.scaled")[-1]["reason"]
    assert server.get("/")[0] == 200


def drawn(**row) -> str:
    whole = {"pool": "http", "workers": 2, "min": 2, "max": 2, "waiting": 0, "reason": "", "longest": None, **row}
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(pools_table([whole], 1000.0))
    return console.export_text().splitlines()[4]


def test_a_fixed_pool_that_never_changed_shows_its_number_alone():
    assert [cell.strip() for cell in drawn().strip("│").split("│")] == ["http", "2", "0", "", ""]


def test_what_takes_long_is_shown_with_its_worker():
    assert "http-7 on 42 for 1m1s" in drawn(longest={"id": "http-7", "pid": 42, "seconds": 61.2})
    assert "http-7" not in drawn(longest={"id": "http-7", "pid": 42, "seconds": 4.9})


def test_the_last_change_is_told_with_its_age():
    assert "2 of 2-9 " in drawn(max=9) and "1m30s ago: 20 waiting" in drawn(changedAt=910.0, reason="20 waiting")
