"""An event loop that stands still: noticed from a thread, told once, and answered for."""

import asyncio
import json
import logging
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop
from server_process import ROOT, wait_until

from rrjobs.runtime.events import Events
from rrjobs.services.stand_in import StandIn
from rrjobs.services.status import StatusServer
from rrjobs.services.status_config import StatusConfig
from rrjobs.services.statuses import Statuses
from rrjobs.services.watchdog import Watchdog

STALL_S = 0.2


def stand_still(until: threading.Event) -> None:
    """What a blocking call does to the loop; its name is looked for in the stacks."""
    assert until.wait(20)


@pytest.fixture
def told(caplog) -> Callable[[str], list[dict[str, object]]]:
    """The fields of every event of a name."""
    caplog.set_level(logging.INFO, logger="rrjobs")
    return lambda name: [record.fields for record in list(caplog.records) if record.getMessage() == name]


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    def run(work) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(work)

    return run


def test_a_blocked_loop_is_told_once_with_the_stacks_and_again_when_it_turns(run, told):
    def release_when_told(number: int, release: threading.Event) -> None:
        try:
            wait_until(lambda: len(told("loop.blocked")) == number, "it is told")
            time.sleep(3 * STALL_S)  # and not a second time
        finally:
            release.set()

    async def incident(number: int) -> None:
        release = threading.Event()
        releaser = threading.Thread(target=release_when_told, args=(number, release))
        releaser.start()
        stand_still(release)
        releaser.join()
        await until(lambda: len(told("loop.turning")) == number)
        assert len(told("loop.blocked")) == number, "once, however long it lasts"

    async def main() -> None:
        watchdog = Watchdog(Events(), STALL_S)
        watchdog.start()
        try:
            await incident(1)
            await incident(2)
        finally:
            watchdog.stop()

    run(main())
    blocked, turning = told("loop.blocked")[0], told("loop.turning")[0]
    assert "the event loop has not turned for 0." in blocked["reason"]
    assert "Thread 0x" in blocked["traceback"]
    assert "stand_still" in blocked["traceback"].rpartition("The event loop, latest call last:")[2]
    assert turning["seconds"] >= STALL_S


def test_a_loop_that_turns_is_never_told(run, told):
    async def main() -> None:
        watchdog = Watchdog(Events(), STALL_S)
        watchdog.start()
        deadline = time.monotonic() + 5 * STALL_S
        while time.monotonic() < deadline:
            await asyncio.sleep(0.01)
            time.sleep(STALL_S / 4)  # noqa: ASYNC251 - short blocks are the point
        watchdog.stop()

    run(main())
    assert told("loop.blocked") == []


def test_zero_watches_nothing_and_a_watchdog_can_be_stopped_twice_or_before_its_start(run):
    async def main() -> None:
        before = threading.active_count()
        watchdog = Watchdog(Events(), 0.0)
        watchdog.stop()
        watchdog.start()
        assert threading.active_count() == before
        watchdog = Watchdog(Events(), 1.0)
        watchdog.start()
        assert threading.active_count() == before + 1
        watchdog.stop()
        watchdog.stop()
        assert threading.active_count() == before

    run(main())


class NothingStandsStill:
    def standstill(self, pool: str) -> str:
        return ""


def ask(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as err:
        with err:
            return err.code, err.read()


def test_while_the_loop_is_blocked_status_is_red_with_the_reason_and_afterwards_as_before(run, told):
    class Pool:
        name, trouble, healthy = "http", "", True

    async def main() -> None:
        statuses = Statuses(("http",), lambda name: [Pool()], None, frozenset(), NothingStandsStill())
        server = StatusServer(StatusConfig(address="127.0.0.1:0", unavailable_status_code=500), statuses)
        await server.start()
        watchdog = Watchdog(Events(), STALL_S, StandIn(lambda: server.sockets, server.blocked))
        watchdog.start()
        release, port = threading.Event(), server.address.port
        try:
            assert (await asyncio.to_thread(ask, port, "/ready"))[0] == 200
            with ThreadPoolExecutor() as pool:
                answers = [pool.submit(ask, port, path) for path in ("/ready", "/health?plugin=http", "/ready")]
                for answer in answers:
                    answer.add_done_callback(lambda _: all(one.done() for one in answers) and release.set())
                stand_still(release)
            for answer in answers:
                status, body = answer.result()
                (row,) = json.loads(body)
                assert (status, row["plugin_name"], row["status_code"]) == (500, "http", 503)
                assert "the event loop has not turned for" in row["error_message"]
            await until(lambda: told("loop.turning"))
            assert (await asyncio.to_thread(ask, port, "/ready"))[0] == 200
        finally:
            watchdog.stop()
            await server.stop()

    run(main())


BLOCKS = """
import signal, time

def hold_the_loop(number, frame):
    time.sleep(3)

signal.signal(signal.SIGUSR2, hold_the_loop)
"""


def test_a_real_server_turns_red_while_it_is_blocked_and_green_afterwards(start_server, settings, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCKS)
    settings["status"]["stall_s"] = 0.5
    port = int(settings["status"]["address"].rpartition(":")[2])
    server = start_server(settings, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert server.get("/ready", port)[0] == 200
    os.kill(server.pid, signal.SIGUSR2)
    (blocked,) = wait_until(lambda: server.events("loop.blocked"), "the log tells it while it lasts")
    assert "hold_the_loop" in blocked["traceback"] and blocked["level"] == "error"
    status, body = server.get("/ready", port)
    assert status == 503 and b"the event loop has not turned for" in body
    assert server.events("loop.turning") == [], "it was answered while the loop stood still"
    wait_until(lambda: server.events("loop.turning"), "the log tells the end")
    assert server.get("/ready", port)[0] == 200
    assert server.get("/")[0] == 200
