"""Under systemd: sockets that it opened, what it is told, and signs of life. Its part is played by the test."""

import contextlib
import fcntl
import os
import signal
import socket
from pathlib import Path

import pytest
from server_process import ServerProcess, wait_until

WATCHDOG_S = 1.0


@pytest.fixture
def opened():
    """Listening sockets as systemd has them."""
    with contextlib.ExitStack() as stack:

        def open_one(path: Path | None = None) -> socket.socket:
            if path is None:
                made = socket.create_server(("127.0.0.1", 0))
            else:
                made = socket.socket(socket.AF_UNIX)
                made.bind(str(path))
                made.listen()
            with made:
                high = socket.socket(fileno=fcntl.fcntl(made.fileno(), fcntl.F_DUPFD_CLOEXEC, 100))
            return stack.enter_context(high)

        yield open_one


@pytest.fixture
def start(tmp_path):
    made: list[ServerProcess] = []

    def run(config, sockets, **extra) -> ServerProcess:
        made.append(ServerProcess(tmp_path, config, sockets=sockets, **extra))
        return made[-1]

    yield run
    for server in made:
        server.close()


def test_sockets_are_served_by_name_and_by_address_and_wait_through_a_restart(start, settings, opened, tmp_path):
    http, status, rpc = opened(), opened(), opened(tmp_path / "rpc.sock")
    port = status.getsockname()[1]
    settings["status"]["address"] = f"127.0.0.1:{port}"
    settings["rpc"]["listen"] = f"unix://{tmp_path}/rpc.sock"
    server = start(settings, [http, status, rpc], LISTEN_FDNAMES="http:rrjobs.socket:rpc").ready()
    assert server.get("/hello", http.getsockname()[1])[0] == 200
    assert server.get("/ready", port)[0] == 200
    assert server.cli("jobs", "stat").returncode == 0
    environ = Path(f"/proc/{min(server.workers())}/environ").read_bytes()
    assert b"LISTEN_" not in environ
    assert server.stop() == 0
    assert (tmp_path / "rpc.sock").exists(), "it is systemd's"
    with socket.create_connection(http.getsockname()) as early:
        early.sendall(b"GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        start(settings, [http, status, rpc], LISTEN_FDNAMES="http:rrjobs.socket:rpc").ready()
        assert early.recv(100).startswith(b"HTTP/1.1 200")


def test_a_socket_that_no_section_wants_is_told(start, settings, opened):
    server = start(settings, [opened()], LISTEN_FDNAMES="ftp").ready()
    wait_until(lambda: "is of no section here: closed" in server.output, "it is told")


def test_what_is_no_listening_socket_refuses_the_start(start, settings):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as plain:
        server = start(settings, [plain], LISTEN_FDNAMES="http")
        assert server.wait() == 1
    assert "descriptor 3 from systemd (http) is no listening stream socket" in server.output
    assert "Traceback" not in server.output


def test_systemd_is_told_of_start_reload_and_stop(start_server, settings):
    server = start_server(settings, ready=False)
    assert server.notice().splitlines() == ["READY=1", "STATUS=serving, 2 workers"]
    server.signal(signal.SIGHUP)
    word, moment, status = server.notice().splitlines()
    assert (word, status) == ("RELOADING=1", "STATUS=replacing all workers")
    assert moment.removeprefix("MONOTONIC_USEC=").isdecimal()
    assert server.notice().splitlines()[0] == "READY=1"
    server.signal()
    assert server.notice().splitlines() == [
        "STOPPING=1",
        "STATUS=stop signal received, finishing within 10 s",
    ]
    assert server.wait() == 0


def test_signs_of_life_are_sent_while_the_loop_turns_and_all_pools_have_workers(start_server, settings):
    server = start_server(settings, ready=False, WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)))
    seen = [server.notice() for _ in range(3)]
    assert seen.count("WATCHDOG=1") == 2
    assert sum(word.startswith("READY=1") for word in seen) == 1
    os.kill(server.pid, signal.SIGSTOP)
    with contextlib.suppress(AssertionError):
        while server.notice(WATCHDOG_S) == "WATCHDOG=1":
            pass
    with pytest.raises(AssertionError, match="no word"):
        server.notice(2 * WATCHDOG_S)
    os.kill(server.pid, signal.SIGCONT)
    assert server.notice() == "WATCHDOG=1"


def test_a_server_whose_workers_cannot_start_sends_no_signs_of_life(start_server, settings, tmp_path):
    program = tmp_path / "worker.php"
    program.write_text(
        (Path(settings["server"]["command"][1])).read_text().replace("__DIR__ . '", f"'{_home(settings)}")
    )
    server = start_server(
        {**settings, "server": {"command": ["php", str(program)]}},
        ready=False,
        WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)),
    )
    wait_until(lambda: server.notice().startswith("READY=1"), "it serves")
    program.write_text("<?php exit(3);")
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    server.logged("worker.spawn_failed")
    with pytest.raises(AssertionError, match="no word"):
        while True:
            server.notice(2 * WATCHDOG_S)


def _home(settings) -> str:
    return str(Path(settings["server"]["command"][1]).parent)
