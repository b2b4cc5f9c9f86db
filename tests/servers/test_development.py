"""`make servers`: all brokers on their ports, links that break by command, everything gone after Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ports import LAST
from server_process import alive, descendants, wait_until

from servers import proxy_control
from servers.development import PLACES, PROXY_OFFSET
from servers.link_proxy import LinkProxy
from servers.process import accepts, is_free

TESTS = Path(__file__).parents[1]


@pytest.fixture
def ports(free_port) -> dict[str, str]:
    """A port for each variable, with room for the proxies above."""
    chosen: dict[str, str] = {}
    for place in PLACES:
        chosen[place.variable] = str(
            next(p for p in iter(free_port, None) if p + PROXY_OFFSET < LAST and is_free(p + PROXY_OFFSET))
        )
    return chosen | {"PROXY_CONTROL_PORT": str(free_port())}


def servers(*words, **variables) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "servers", *words],
        env={**os.environ, "PYTHONPATH": str(TESTS), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_all_brokers_serve_until_an_interrupt(ports, tmp_path):
    with servers("run", **ports, TMPDIR=str(tmp_path)) as process:
        try:
            lines = [process.stdout.readline() for _ in range(8)]
            for place in PLACES:
                line = next(line for line in lines if line.startswith(place.name))
                port = int(ports[place.variable])
                assert f":{port}" in line
                assert f":{port + PROXY_OFFSET}" in line
                assert accepts(port)
                assert accepts(port + PROXY_OFFSET)
            with socket.create_connection(("127.0.0.1", int(ports["PROXY_CONTROL_PORT"])), timeout=10) as control:
                control.sendall(b"beanstalk refuse\n")
                assert control.recv(100) == b"done\n"
            assert not accepts(int(ports["BEANSTALK_PORT"]) + PROXY_OFFSET)
            family = descendants(process.pid)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
            wait_until(lambda: not any(map(alive, family)), "all servers end")
            assert list(tmp_path.iterdir()) == []
        finally:
            process.terminate()


def test_a_taken_port_is_refused_with_its_variable(ports, beanstalkd):
    with servers("run", **{**ports, "BEANSTALK_PORT": str(beanstalkd.port)}) as process:
        told = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    assert f"port {beanstalkd.port} for beanstalk is taken: stop who has it, or set BEANSTALK_PORT" in told


def test_a_port_that_is_the_end_of_a_connection_is_taken_too(ports, beanstalkd):
    with socket.create_connection(("127.0.0.1", beanstalkd.port)) as client:
        mine = client.getsockname()[1]
        with servers("run", **{**ports, "PROXY_CONTROL_PORT": str(mine)}) as process:
            told = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    assert f"port {mine} for the proxies' commands is taken: stop who has it, or set PROXY_CONTROL_PORT" in told


def test_doctor_names_what_is_missing(tmp_path):
    with servers("doctor", RRJOBS_CACHE=str(tmp_path), PATH="") as process:
        told = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    assert "apt-get install beanstalkd" in told
    assert f"not fetched to {tmp_path}: .ci/setup test" in told


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("a state", "links 0, made 0"),
        ("a slow 0.1 1000", "done"),
        ("a cut", "0"),
        ("a slow much", "usage"),
        ("a fly", "usage"),
        ("b cut", "NAME is one of a"),
        ("", "usage"),
    ],
)
def test_a_command_does_something_or_tells_the_usage(line, answer, beanstalkd):
    with LinkProxy(beanstalkd.port) as proxy:
        assert answer in proxy_control.obey({"a": proxy}, line)
