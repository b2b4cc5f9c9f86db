"""`rrjobs dead` and `rrjobs jobs delayed` on a running server whose jobs fail."""

import json
from typing import Any

import pytest
from server_process import ROOT, rrjobs, wait_until

from rrjobs.rpc.client import RpcClient

RUDE = ROOT / "php" / "tests" / "workers" / "rude.php"


@pytest.fixture
def server(start_server, settings):
    pipelines = {
        "mail": {"driver": "memory"},
        "later": {"driver": "memory", "retry": {"max_attempts": 2, "initial": "1h"}, "dead_letter": {"max_letters": 5}},
    }
    jobs = {"consume": ["mail", "later"], "pipelines": pipelines}
    return start_server({**settings, "server": {"command": ["php", str(RUDE)]}, "jobs": jobs})


def dead(server, number: int = 1) -> None:
    """Wait for so many letters, without a process for each look."""
    with RpcClient(str(server.config["rpc"]["listen"])) as client:
        wait_until(lambda: len(client.json("dead.List", {})["letters"]) == number, f"{number} letters")


def push(server, pipeline: str, ident: str, order: dict[str, object], *headers: str) -> None:
    flags = [word for header in headers for word in ("--header", header)]
    pushed = server.cli("jobs", "push", pipeline, "order", json.dumps(order), "--id", ident, *flags)
    assert pushed.returncode == 0, pushed.stderr


def told(server, *arguments: str) -> Any:
    ended = server.cli(*arguments, "--json")
    return json.loads(ended.stdout)


def letters(server, *chosen: str) -> list[dict[str, Any]]:
    return list(told(server, "dead", "list", *chosen)["letters"])


def test_a_job_that_crashes_its_workers_is_shown_replayed_once_and_dropped(server):
    push(server, "mail", "poison", {"do": "crash", "code": 3}, "tenant:a")
    dead(server)
    (letter,) = letters(server, "poison")
    assert (letter["id"], letter["pipeline"], letter["attempts"], letter["crashes"]) == ("poison", "mail", 3, 3)
    assert letter["reason"] == "crashes"
    (whole,) = told(server, "dead", "show", letter["letter"])
    assert whole["headers"] == {"tenant": ["a"]}
    assert whole["exit_code"] == 3
    assert whole["pid"] not in server.workers()
    partly = server.cli("dead", "show", "poison", "nope")
    assert (partly.returncode, partly.stderr) == (1, "there is no letter nope\n")
    shown = partly.stdout
    assert '"do": "crash"' in shown
    assert "exit_code: 3" in shown
    assert told(server, "dead", "replay", "poison") == {"done": [letter["letter"]], "refused": []}
    second = server.cli("dead", "replay", letter["letter"])
    assert second.returncode == 1
    assert second.stderr == f"letter {letter['letter']} was replayed already\n"
    dead(server)
    (again,) = letters(server)
    assert (again["id"], again["attempts"], again["crashes"]) == ("poison", 3, 3)
    assert again["letter"] != letter["letter"]
    assert server.cli("dead", "drop", "poison").stdout == "1 letter dropped\n"
    assert letters(server) == []


def test_letters_are_chosen_by_pipeline_name_reason_and_age_and_all_asks_first(server):
    push(server, "mail", "one", {"do": "error"})
    push(server, "later", "two", {"do": "error"}, "rr-retry:max_attempts=1")
    dead(server, 2)
    assert [one["id"] for one in letters(server, "--pipeline", "later")] == ["two"]
    assert len(letters(server, "--name", "order", "--reason", "attempts", "--younger", "1h")) == 2
    assert letters(server, "--older", "1h") == letters(server, "--reason", "crashes") == []
    assert "mail: 1 letter," in server.cli("dead", "list").stdout
    nothing = server.cli("dead", "drop")
    assert nothing.returncode == 2
    assert "say which letters" in nothing.stderr
    asked = server.cli("dead", "drop", "--all")
    assert asked.returncode == 1
    assert "Drop all letters?" in asked.stderr
    assert len(letters(server)) == 2
    assert server.cli("dead", "drop", "--all", "--pipeline", "mail", "--yes").stdout == "1 letter dropped\n"
    assert [one["id"] for one in letters(server)] == ["two"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("dead", "show", "nope"), "there is no letter nope"),
        (("dead", "replay", "nope"), "there is no letter nope"),
        (("dead", "list", "--reason", "crash"), "'crash' is no reason: there are attempts, crashes, "),
        (("dead", "drop", "--reason", "crash"), "'crash' is no reason"),
        (("dead", "list", "--pipeline", "nobody"), "no such pipeline, requested: nobody"),
        (("jobs", "delayed", "nobody"), "no such pipeline, requested: nobody"),
        (("jobs", "push", "mail", "x", "--header", "rr-retry:max_attempts=0"), "rr-retry: max_attempts must be 1 to"),
    ],
)
def test_what_does_not_exist_or_cannot_be_is_one_clear_error(server, arguments, text):
    ended = server.cli(*arguments)
    assert ended.returncode == 1
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_next_run_of_a_retried_job_is_told(server):
    push(server, "later", "again", {"do": "error"})
    with RpcClient(str(server.config["rpc"]["listen"])) as client:
        wait_until(
            lambda: any(one.get("delayed") for one in client.json("jobs.Stat", {})["stats"]),
            "the job waits for its retry",
        )
    (row,) = told(server, "jobs", "delayed", "later")
    assert (row["id"], row["attempt"]) == ("again", 2)
    assert 2000 < row["in_s"] < 4400
    assert server.cli("jobs", "delayed", "later").stdout.startswith("again: order attempt=2 runs in ")


def test_without_a_server_the_command_says_so(tmp_path):
    (tmp_path / ".rr.yaml").write_text('version: "3"\nrpc: {listen: "tcp://127.0.0.1:9"}\n')
    ended = rrjobs("dead", "list", cwd=tmp_path)
    assert (ended.returncode, "no server answers" in ended.stderr) == (1, True)
