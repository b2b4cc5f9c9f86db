"""The status endpoints of a real server."""

import json

from server_process import wait_until


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
    assert b"mail" in body
    assert server.get("/health", port)[0] == 200
    server.cli("jobs", "resume", "mail")
    wait_until(lambda: server.get("/ready", port)[0] == 200, "readiness is green again")


def test_an_unknown_path_is_not_found(start_server, settings):
    assert start_server(settings).get("/nothing", status_port(settings))[0] == 404
