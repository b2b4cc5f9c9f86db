"""Streams of real PHP processes that lose their input, never end, or whose client is slow or gone."""

import fcntl
import http.client
import os
import signal
import socket
import sys
import termios
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from server_process import ROOT, ServerProcess, wait_until

STREAM = b"".join(b"part %d\n" % number for number in range(12)) + b"end"


@pytest.fixture
def site(start_server, free_port):
    def start(workers: int = 1, relay: str = "private", **pool) -> ServerProcess:
        return start_server(
            {
                "server": {"command": ["php", str(ROOT / "php/tests/workers/streams.php")], "relay": relay},
                "http": {"address": f"127.0.0.1:{free_port()}", "pool": {"num_workers": workers, **pool}},
                "logs": {"mode": "production"},
            }
        )

    return start


def port_of(server: ServerProcess) -> int:
    return int(server.config["http"]["address"].rpartition(":")[2])


def get(server: ServerProcess, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("relay", ["private", "pipes"])
def test_a_program_that_loses_its_input_in_a_stream_is_found_out_once_and_harms_nobody(site, relay):
    server = site(relay=relay)
    (first,) = server.workers()
    assert get(server, "/stream") == (200, STREAM)
    wait_until(lambda: server.workers() and first not in server.workers(), "the worker that lost its step is replaced")
    (second,) = server.workers()
    for path, body in [("/", b"end"), ("/stream", STREAM)] * 10:
        assert get(server, path) == (200, body)
    assert server.workers() == {second}
    (retired,) = server.events("worker.retired")
    assert retired["reason"].startswith("its PHP package drops what is written to it in the middle of a stream")
    assert server.events("worker.failed") == []


def unread(pid: int) -> int:
    """Bytes in the input of a worker on private descriptors."""
    environment = dict(pair.split("=", 1) for pair in Path(f"/proc/{pid}/environ").read_text().split("\0") if pair)
    number = environment["RR_RELAY"].removeprefix("pipes://fd/").partition(":")[0]
    fd = os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY | os.O_NONBLOCK)
    try:
        return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)
    finally:
        os.close(fd)


def stopped(pid: int) -> bool:
    """Whether a stop has come into force: until then the process may still read."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_behind_a_stream_that_loses_its_input_only_what_may_run_twice_goes_to_another_worker(site):
    server = site(prefetch=4)
    (worker,) = server.workers()
    os.kill(worker, signal.SIGSTOP)
    wait_until(lambda: stopped(worker), "the worker reads no more")
    clients = []
    for head in ["GET /stream", *["POST /", "PUT /"] * 4]:
        clients.append(socket.create_connection(("127.0.0.1", port_of(server)), 20))
        clients[-1].sendall(f"{head} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    wait_until(lambda: unread(worker) > 3 * 150, "some are written behind the stream")
    os.kill(worker, signal.SIGCONT)
    answers = []
    for client in clients:
        with client, client.makefile("rb") as answer:
            answers.append(int(answer.read().split()[1]))
    posted, put = answers[1::2], answers[2::2]
    assert answers[0] == 200 and put == [200] * 4, answers
    assert 500 in posted and set(posted) == {200, 500}, answers
    assert "may have begun" in server.events("http.failed")[0]["reason"]


def test_a_forgotten_answer_is_found_out_also_when_fences_come_late(site):
    server = site()
    assert get(server, "/stream") == (200, STREAM)
    assert get(server, "/silent") == (500, b"")
    (failed,) = wait_until(lambda: server.events("worker.failed"), "the failure is logged")
    assert failed["fault"] == "unanswered"
    assert get(server, "/") == (200, b"end")


def test_a_request_that_every_program_hands_back_fails_in_the_end(site):
    server = site(workers=4)
    assert get(server, "/stop") == (500, b"")
    wait_until(lambda: server.events("http.failed"), "the failure is logged")
    assert "asked to be stopped" in server.events("http.failed")[0]["reason"]
    assert get(server, "/") == (200, b"end")


def test_a_stream_that_goes_on_without_a_listener_is_ended_by_stream_timeout(site):
    server = site(stream_timeout="300ms")
    with socket.create_connection(("127.0.0.1", port_of(server)), 20) as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.recv(65536)
    wait_until(lambda: server.events("worker.failed"), "the worker is killed")
    assert "stream_timeout" in server.events("worker.failed")[0]["reason"]
    assert get(server, "/") == (200, b"end")


def written(pid: int) -> int:
    """Bytes a process has written so far."""
    return int(dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())["wchar"])


def test_a_slow_client_makes_its_worker_wait_and_gets_everything(site):
    server = site(stream_timeout="300ms", supervisor={"exec_ttl": "500ms"})
    (pid,) = server.workers()
    with socket.create_connection(("127.0.0.1", port_of(server)), 20) as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
        seen = [0] * 40

        def stands_still() -> bool:
            seen.append(written(pid))
            return seen[-1] > 65536 and seen[-1] == seen[-40]

        wait_until(stands_still, "the worker waits")
        before, taken = written(pid), 0
        while taken < before + 1_000_000:
            taken += len(client.recv(1 << 20))
        assert server.workers() == {pid}
        assert server.events("worker.failed") == []


def test_what_programs_print_carries_the_id_of_the_request_they_were_at(site):
    server = site(workers=2)

    def visit(number: int) -> None:
        for turn in range(25):
            assert get(server, f"/echo?{number}-{turn}") == (200, b"end")
            assert get(server, "/") == (200, b"end")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(visit, range(8)))
    wait_until(lambda: len(server.events("http.request")) == 400, "all requests are logged")
    targets = {event["id"]: event["URI"] for event in server.events("http.request")}
    printed = {event["id"]: event["text"] for event in server.events("worker.output")}
    assert len(printed) == 200
    assert {f"/echo?{text.removeprefix('printed by ')}" == targets[ident] for ident, text in printed.items()} == {True}
