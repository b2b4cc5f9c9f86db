"""`rrjobs run`: starts, serves, reloads, drains and stops; a start that cannot succeed says why in one message."""

import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from server_process import ROOT, alive, rrjobs, wait_until

RUDE = ROOT / "php" / "tests" / "workers" / "rude.php"


@pytest.fixture
def rude(settings: dict[str, Any]) -> dict[str, Any]:
    """Sections for a server of the worker that does as it is told."""
    return {**settings, "server": {"command": ["php", str(RUDE)]}}


def refused(directory: Path, config: dict[str, Any]) -> str:
    """What a start that must fail says."""
    path = directory / "bad.yaml"
    path.write_text(yaml.safe_dump({"version": "3", **config}))
    ended = rrjobs("run", "-c", str(path), cwd=directory)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    assert "Traceback" not in said
    return said


def test_it_tells_where_it_listens_and_answers_requests(start_server, rude):
    server = start_server(rude)
    assert rude["http"]["address"] in server.logged("http://")
    assert server.get("/ok") == (200, b"ok")


def test_a_job_pushed_by_the_command_runs(start_server, rude, tmp_path):
    server = start_server(rude)
    ran = tmp_path / "ran"
    pushed = server.cli("jobs", "push", "mail", "mail.send", f'{{"do":"ok","once":"{ran}"}}', "--id", "one")
    assert (pushed.returncode, pushed.stdout) == (0, "one\n"), pushed.stderr
    wait_until(ran.exists, "the job runs")


def test_an_idle_server_stops_with_exit_code_0_well_before_its_grace_period(start_server, rude):
    server = start_server({**rude, "endure": {"grace_period": "60s"}})
    server.signal(signal.SIGTERM)
    assert server.wait(20) == 0


def test_the_request_in_flight_is_answered_while_the_server_drains(start_server, rude, tmp_path):
    server = start_server(rude)
    began = tmp_path / "began"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.get, f"/ok?ms=1500&once={began}")
        wait_until(began.exists, "the request is with a worker")
        server.signal(signal.SIGTERM)
        server.logged("stop signal received")
        assert not answer.done()
        assert answer.result(20) == (200, b"ok")
    assert server.wait(20) == 0


def test_a_second_signal_aborts_with_exit_code_1(start_server, rude, tmp_path):
    server = start_server(rude)
    began = tmp_path / "began"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.get, f"/ok?ms=60000&once={began}")
        wait_until(began.exists, "the request is with a worker")
        workers = server.workers()
        server.signal(signal.SIGTERM)
        server.logged("stop signal received")
        server.signal(signal.SIGTERM)
        assert server.wait(20) == 1
        assert answer.exception(20) is not None
    wait_until(lambda: not any(map(alive, workers)), "the workers end")


def test_sighup_replaces_the_workers_under_load_and_no_request_fails(start_server, rude):
    server = start_server(rude)
    before = server.workers()
    enough = threading.Event()

    def load() -> set[tuple[int, bytes]]:
        seen = set()
        while not enough.is_set():
            seen.add(server.get("/ok"))
        return seen

    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load) for _ in range(4)]
        try:
            server.signal(signal.SIGHUP)
            wait_until(lambda: len(server.workers() - before) == 2 and not server.workers() & before, "new workers")
        finally:
            enough.set()
        assert set().union(*(one.result(20) for one in loads)) == {(200, b"ok")}


def test_the_pid_file_lets_the_stop_command_find_the_server(start_server, rude):
    server = start_server(rude, "-p")
    asked = server.cli("stop")
    assert (asked.returncode, asked.stdout) == (0, f"asked process {server.pid} to stop\n")
    assert server.wait(20) == 0
    assert not (server.directory / ".pid").exists(), "the number may be another process's by now"


def test_an_unknown_key_is_refused_with_the_key_that_was_meant(rude, tmp_path):
    said = refused(tmp_path, {**rude, "http": {"adress": "127.0.0.1:1"}})
    assert "adress" in said
    assert "address" in said.replace("adress", "")


def test_a_port_that_is_taken_is_named(rude, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(tmp_path, {**rude, "http": {"address": f"127.0.0.1:{port}"}})
    assert f"127.0.0.1:{port}" in said


def test_a_command_that_does_not_exist_is_named(rude, tmp_path):
    assert "no-such-php" in refused(tmp_path, {**rude, "server": {"command": ["no-such-php", "worker.php"]}})


def test_a_worker_that_exits_at_once_is_refused_with_what_it_wrote_to_stderr(rude, tmp_path):
    said = refused(tmp_path, {**rude, "server": {"command": ["php", str(RUDE), "--boot=exit:3"]}})
    assert said.count("rude.php does not want to boot") == 1, "once is enough"


def test_a_configuration_file_that_is_missing_is_named(tmp_path):
    ended = rrjobs("run", "-c", "missing.yaml", cwd=tmp_path)
    assert ended.returncode == 1
    assert "missing.yaml" in ended.stderr
    assert "Traceback" not in ended.stderr
