"""Processes under measurement: started, awaited, ended."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

from tests.bench.settings import REPOSITORY

START_S = 30.0
END_S = 30.0
Program = subprocess.Popen[bytes]


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str, seconds: float = START_S, pause: float = 0.01) -> None:
    """Raises TimeoutError when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(pause)


def accepts(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(command: Sequence[str], port: int, env: Mapping[str, str] = os.environ) -> Iterator[Program]:
    """The command, from the moment its port accepts; ended by SIGTERM."""
    with tempfile.TemporaryFile("w+") as printed:  # a pipe that nobody reads would fill
        process = subprocess.Popen(
            command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=printed, cwd=REPOSITORY
        )
        try:
            wait_until(lambda: _up(process, port, printed), f"nothing listens on port {port}")
            yield process
        finally:
            _end(process)


def _up(process: Program, port: int, printed: IO[str]) -> bool:
    if process.poll() is not None:
        printed.seek(0)
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}: {printed.read()}")
    return accepts(port)


def _end(process: Program) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
