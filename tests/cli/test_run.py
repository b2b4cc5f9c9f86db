"""`rrjobs run`: starts, serves, reloads, drains and stops; a start that cannot succeed says why in one message."""

import os
import signal
import socket
import subprocess
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from server_process import ROOT, alive, command_line, environment, rrjobs, wait_until

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


def test_a_command_runs_before_the_workers_and_its_words_are_logged(start_server, rude, tmp_path):
    server = dict(rude["server"], on_init={"command": ["sh", "-c", "echo one; echo two"], "exit_on_error": True})
    started = start_server({**rude, "server": server})
    wait_until(
        lambda: [one["text"] for one in started.events("worker.output")] == ["one", "two"], "both lines are told"
    )
    assert started.get("/ok") == (200, b"ok")


@pytest.mark.parametrize(
    ("init", "reason"),
    [
        ({"command": ["sh", "-c", "echo no database; exit 3"]}, "exited with 3: no database"),
        ({"command": ["sleep", "600"], "exec_timeout": "300ms"}, "took longer than 0.3 s"),
        ({"command": ["no-such-command"]}, "cannot execute 'no-such-command'"),
        ({"command": ["true"], "user": "no-such-user"}, "server.on_init.user: there is no user 'no-such-user'"),
    ],
)
def test_a_command_that_fails_before_the_start_stops_it_where_that_is_wanted(
    tmp_path, start_server, rude, init, reason
):
    server = dict(rude["server"], on_init={**init, "exit_on_error": True})
    assert reason in refused(tmp_path, {**rude, "server": server})
    server["on_init"]["exit_on_error"] = False
    started = start_server({**rude, "server": server})
    assert started.get("/ok") == (200, b"ok")
    assert reason in started.events("server.warning")[0]["text"]


READER = """<?php
require %r;
RRJobs\\Http\\HttpWorker::create()->serve(static fn ($request) => new RRJobs\\Http\\Response(
    200, posix_getpwuid(posix_getuid())['name'] . ' read ' . file_get_contents($request->files()['f']->path)));
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_workers_run_as_the_user_that_is_named_and_read_what_is_uploaded(start_server, settings, tmp_path):
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.getuid() and "pytest" in str(directory):
            directory.chmod(0o755)
    worker = tmp_path / "reader.php"
    worker.write_text(READER % str(ROOT / "php" / "autoload.php"))
    init = {"command": ["id", "-un"], "user": "nobody"}
    server = {"command": ["php", str(worker)], "user": "nobody", "on_init": init}
    started = start_server({"server": server, **{name: settings[name] for name in ("http", "rpc", "logs", "status")}})
    assert started.events("worker.output")[0]["text"] == "nobody"
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nwords\r\n--x--\r\n'
    address = f"http://{settings['http']['address']}/"
    request = urllib.request.Request(address, body, {"Content-Type": "multipart/form-data; boundary=x"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.read() == b"nobody read words"


def test_a_pool_for_both_bounds_how_long_requests_wait(start_server, rude):
    started = start_server({**rude, "any": {"pool": {"num_workers": 1, "allocate_timeout": "1s", "max_queue_size": 2}}})
    with ThreadPoolExecutor(3) as clients:
        waiting = [clients.submit(started.get, "/ok?ms=2500") for _ in range(3)]
        assert sorted(one.result()[0] for one in waiting) == [200, 500, 500]
    reasons = " ".join(str(one["reason"]) for one in started.events("http.failed"))
    assert "allocate_timeout of the pool" in reasons
    assert "max_queue_size of the pool" in reasons


def test_it_serves_with_closed_standard_streams(settings, tmp_path):
    (tmp_path / ".rr.yaml").write_text(yaml.safe_dump({"version": "3", **settings}))
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command_line("run")]
    url = f"http://{settings['http']['address']}/hello"
    with subprocess.Popen(closed, cwd=tmp_path, env=environment()) as server:
        try:
            wait_until(lambda: answers(url) or server.poll() is not None, "an answer")
            assert server.poll() is None
            assert {str(Path(f"/proc/{server.pid}/fd/{number}").readlink()) for number in range(3)} == {os.devnull}
        finally:
            server.terminate()
    assert server.returncode == 0


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.read() == b"Hello World\n"
    except OSError:
        return False


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
