"""What every test gets: a proof that it leaks nothing; and on request a free port, a configuration, a real server."""

import asyncio
import contextlib
import gc
import inspect
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import ports
import pytest
import server_process
import uvloop
from grouping import ByBroker
from server_process import EXAMPLES, ServerProcess
from servers.fixtures import (  # noqa: F401 - fixtures for every test
    beanstalkd,
    certificates,
    elasticmq,
    kafka,
    link_proxy,
    ministack,
    nats,
    old_nats,
    rabbitmq,
    shared_server,
    start_broker,
    unique_name,
    vhost,
)
from servers.process import lasting_processes

signal.signal(signal.SIGINT, signal.default_int_handler)
"""A shell starts what runs behind `&` with Ctrl-C ignored, and so would every program under test be."""

uvloop.new_event_loop().close()  # libuv opens a pipe for the whole process with its first loop: no leak of a test

hypothesis.settings.register_profile(
    "project",
    max_examples=int(os.environ.get("SOAK_EXAMPLES", "100")),
    deadline=None,  # how long an example takes is the machine's affair
)
hypothesis.settings.load_profile("project")

LEAK_GRACE_S = 3.0
"""How long what a test closed may take to be gone."""

StartServer = Callable[..., ServerProcess]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByBroker:
    """With `-n`: who runs what."""
    return ByBroker(config, log)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Makes ports nobody listens on."""
    return ports.free_port


@pytest.fixture
def settings(free_port: Callable[[], int]) -> dict[str, Any]:
    """Sections for a server of the example program: http, jobs (pipeline `mail`), rpc and status, on free ports."""
    return {
        "server": {"command": ["php", str(EXAMPLES / "any.php")]},
        "any": {"pool": {"num_workers": 2}},
        "http": {"address": f"127.0.0.1:{free_port()}"},
        "jobs": {"consume": ["mail"], "pipelines": {"mail": {"driver": "memory"}}},
        "rpc": {"listen": f"tcp://127.0.0.1:{free_port()}"},
        "status": {"address": f"127.0.0.1:{free_port()}"},
        "logs": {"mode": "production"},
        "endure": {"grace_period": "10s"},
    }


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start `rrjobs run` with a configuration and wait until it serves (`ready=False`: until it was started only).

    Every server is stopped at the end of the test, and none of its processes may be left.
    """
    servers: list[ServerProcess] = []

    def start(config: dict[str, Any], *flags: str, ready: bool = True, **extra: str) -> ServerProcess:
        directory = tmp_path / f"server-{len(servers)}"
        directory.mkdir()
        server = ServerProcess(directory, config, flags, **extra)
        servers.append(server)
        return server.ready() if ready else server

    yield start
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.close)


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """A test that leaves a descriptor or a process behind fails."""
    descriptors, children = _descriptors(), _children()
    yield
    deadline = time.monotonic() + LEAK_GRACE_S
    while True:
        open_now = {fd: target for fd, target in _descriptors().items() if descriptors.get(fd) != target}
        left = _children() - children
        if not open_now and not left:
            return
        if time.monotonic() > deadline:
            break
        gc.collect()
        time.sleep(0.02)
    pytest.fail(f"the test left behind: descriptors {open_now}, processes {left}")


@pytest.fixture(autouse=True)
def no_stray_tasks(request: pytest.FixtureRequest, no_leaks: None) -> None:
    """An async test that leaves a task behind fails; its loop is made after `no_leaks` looked, and closed before."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("no_task_leaks")


@pytest.fixture
async def no_task_leaks() -> AsyncIterator[None]:
    """Made before every other fixture of an async test, so that it looks when they have cleaned up."""
    before = asyncio.all_tasks()
    yield
    deadline = time.monotonic() + LEAK_GRACE_S
    while True:
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        if not left:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"the test left tasks behind: {left}")
        await asyncio.sleep(0.01)


def _descriptors() -> dict[int, str]:
    found: dict[int, str] = {}
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found[int(path.name)] = str(path.readlink())
    return found


def _children() -> set[int]:
    return server_process.descendants(os.getpid()) - lasting_processes()
