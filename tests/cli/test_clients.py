"""The commands that question and steer a running server."""

import json
from typing import Any

import pytest
from server_process import rrjobs, wait_until


@pytest.fixture
def server(start_server, settings):
    return start_server(settings)


def test_workers_are_told_as_json(server):
    told = json.loads(server.cli("workers", "--json").stdout)
    pids = {row["pid"] for rows in told["workers"].values() for row in rows}
    assert pids == server.workers()
    assert [row["Pipeline"] for row in told["pipelines"]] == ["mail"]


def stat(server) -> dict[str, Any]:
    (row,) = json.loads(server.cli("jobs", "stat", "--json").stdout)
    assert isinstance(row, dict)
    return row


def test_a_paused_pipeline_takes_jobs_and_keeps_them_until_it_is_resumed(server):
    assert server.cli("jobs", "pause", "mail").returncode == 0
    assert server.cli("jobs", "push", "mail", "mail.send", "{}").returncode == 0
    paused = stat(server)
    assert not paused.get("ready", False)
    assert int(paused["active"]) == 1
    assert server.cli("jobs", "resume", "mail").returncode == 0
    wait_until(lambda: int(stat(server).get("active", 0)) == 0, "the job runs")
    assert stat(server)["ready"]


@pytest.mark.parametrize("command", ["pause", "resume", "push"])
def test_a_pipeline_that_does_not_exist_is_named(server, command):
    ended = server.cli("jobs", command, "nobody", *(["job"] if command == "push" else []))
    assert ended.returncode == 1
    assert "nobody" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_reset_replaces_all_workers(server):
    before = server.workers()
    assert server.cli("reset").returncode == 0
    wait_until(lambda: len(server.workers()) == 2 and not server.workers() & before, "new workers")


def test_the_shared_pool_is_found_by_the_names_of_what_it_serves(server):
    told = json.loads(server.cli("workers", "http", "jobs", "--json").stdout)
    assert {name: {row["pid"] for row in rows} for name, rows in told["workers"].items()} == {
        "http": server.workers(),
        "jobs": server.workers(),
    }
    before = server.workers()
    assert server.cli("reset", "jobs").stdout == "jobs: reset\n"
    wait_until(lambda: len(server.workers()) == 2 and not server.workers() & before, "new workers")


def test_a_command_without_a_server_says_that_nobody_listens(server):
    assert server.stop() == 0
    ended = rrjobs("workers", "--json", cwd=server.directory)
    assert ended.returncode == 1
    assert server.config["rpc"]["listen"].removeprefix("tcp://") in ended.stderr
    assert "Traceback" not in ended.stderr
