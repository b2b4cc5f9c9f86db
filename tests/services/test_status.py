"""The status endpoints of a real server."""

import json
import os
import signal
import threading

import pytest
from server_process import ROOT, wait_until

RUDE = ROOT / "php" / "tests" / "workers" / "rude.php"


def status_port(settings) -> int:
    return int(settings["status"]["address"].rpartition(":")[2])


def test_a_server_that_serves_is_healthy_and_ready(start_server, settings):
    server, port = start_server(settings), status_port(settings)
    for path in ("/health", "/ready"):
        status, body = server.get(path, port)
        assert status == 200
        assert {row["status_code"] for row in json.loads(body)} == {200}


def test_the_jobs_endpoint_tells_every_pipeline(start_server, settings):
    server, port = start_server(settings), status_port(settings)
    status, body = server.get("/jobs", port)
    assert status == 200
    assert [(row["pipeline"], row["driver"], row["ready"]) for row in json.loads(body)] == [("mail", "memory", True)]


def test_readiness_is_red_while_a_pipeline_that_should_consume_is_paused(start_server, settings):
    server, port = start_server(settings), status_port(settings)
    server.cli("jobs", "pause", "mail")
    _, body = wait_until(lambda: (got := server.get("/ready", port))[0] == 503 and got, "readiness is red")
    assert b"pipelines that should consume and do not: mail (paused)" in body
    assert server.get("/health", port)[0] == 200
    server.cli("jobs", "resume", "mail")
    wait_until(lambda: server.get("/ready", port)[0] == 200, "readiness is green again")


def reasons(answer) -> dict[str, str]:
    """What each plugin has to say."""
    return {row["plugin_name"]: row["error_message"] for row in json.loads(answer[1])}


@pytest.mark.parametrize("prefetch", [1, 4], ids=["in the queue", "written to the stuck worker"])
def test_readiness_is_red_with_the_reason_while_what_waits_does_not_move(start_server, settings, prefetch):
    port = status_port(settings)
    settings["status"]["liveness_s"] = 1
    rude = {"server": {"command": ["php", str(RUDE)]}, "any": {"pool": {"num_workers": 1, "prefetch": prefetch}}}
    server = start_server({**settings, **rude, "endure": {"grace_period": "1s"}})
    for what in ("hang", "ok"):
        assert server.cli("jobs", "push", "mail", "job", f'{{"do":"{what}"}}').returncode == 0
    answer = wait_until(lambda: (got := server.get("/ready", port))[0] == 503 and got, "readiness is red")
    reason = reasons(answer)["any"]
    assert "1 waiting for pool any, and none was finished for" in reason or "written behind it wait: 1" in reason
    assert server.get("/ready?plugin=http", port)[0] == 503, "requests wait behind the jobs too"
    assert server.get("/health", port)[0] == 200
    wait_until(lambda: server.events("pool.stalled"), "the log tells it")
    server.cli("jobs", "destroy", "mail")
    os.kill(next(iter(server.workers())), signal.SIGKILL)
    wait_until(lambda: server.get("/ready", port)[0] == 200, "readiness is green again")


def test_a_server_whose_workers_are_all_busy_is_ready(start_server, settings, tmp_path):
    """RoadRunner asks for an idle worker; a balancer would take away just those servers that work."""
    port, began = status_port(settings), tmp_path / "began"
    rude = {"server": {"command": ["php", str(RUDE)]}, "any": {"pool": {"num_workers": 1}}}
    server = start_server({**settings, **rude})
    request = threading.Thread(target=server.get, args=(f"/ok?ms=800&once={began}",))
    request.start()
    wait_until(began.exists, "the worker is busy")
    assert server.get("/ready", port)[0] == 200
    request.join(20)


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_the_shared_pool_answers_for_requests_and_jobs(start_server, settings, path):
    server, port = start_server(settings), status_port(settings)
    answer = server.get(f"{path}?plugin=http&plugin=jobs&plugin=nobody", port)
    assert answer[0] == 200
    assert reasons(answer) == {"http": "", "jobs": ""}


def test_health_and_readiness_say_when_workers_cannot_start(start_server, settings, tmp_path):
    port, worker = status_port(settings), tmp_path / "worker.php"
    worker.write_text(f"<?php require '{RUDE}';")
    server = start_server({**settings, "server": {"command": ["php", str(worker)]}})
    worker.write_text("<?php fwrite(STDERR, 'secret'); exit(1);")
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    for path in ("/health", "/ready"):
        answer = wait_until(lambda path=path: (got := server.get(path, port))[0] == 503 and got, f"{path} is red")
        wait_until(
            lambda path=path: reasons(server.get(path, port))["any"] == "pool any cannot start workers, see the log",
            "the reason in words",
        )
        assert b"secret" not in answer[1]


def test_an_unknown_path_is_not_found(start_server, settings):
    assert start_server(settings).get("/nothing", status_port(settings))[0] == 404
