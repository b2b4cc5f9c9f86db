"""What is left when something is killed: nothing of a dead server, and all but one request of a dead worker."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

from server_process import ROOT, alive, wait_until

RUDE = ROOT / "php" / "tests" / "workers" / "rude.php"


def test_no_worker_outlives_a_server_that_was_killed(start_server, settings):
    server = start_server(settings)
    workers = server.workers()
    assert len(workers) == 2
    server.signal(signal.SIGKILL)
    assert server.wait() == -signal.SIGKILL
    wait_until(lambda: not any(map(alive, workers)), "the workers end with their server")


def test_a_worker_that_is_busy_does_not_outlive_its_server_either(start_server, settings, tmp_path):
    server = start_server({**settings, "server": {"command": ["php", str(RUDE)]}})
    began = tmp_path / "began"
    assert server.cli("jobs", "push", "mail", "job", f'{{"do":"hang","once":"{began}"}}').returncode == 0
    wait_until(began.exists, "a worker hangs")
    workers = server.workers()
    server.signal(signal.SIGKILL)
    server.wait()
    wait_until(lambda: not any(map(alive, workers)), "the workers end with their server")


def test_a_killed_worker_fails_only_its_own_request_and_is_replaced(start_server, settings, tmp_path):
    server = start_server({**settings, "server": {"command": ["php", str(RUDE)]}})
    before = server.workers()
    began = tmp_path / "began"
    with ThreadPoolExecutor(1) as pool:
        first = server.get("/pid")
        assert int(first[1]) in before
        lost = pool.submit(server.get, f"/ok?ms=60000&once={began}")
        wait_until(began.exists, "the request is with a worker")
        free = int(server.get("/pid")[1])
        (busy,) = before - {free}
        os.kill(busy, signal.SIGKILL)
        assert lost.result(20)[0] == 500
    assert server.get("/ok") == (200, b"ok")
    wait_until(lambda: len(server.workers()) == 2 and busy not in server.workers(), "the worker is replaced")
    assert free in server.workers()
