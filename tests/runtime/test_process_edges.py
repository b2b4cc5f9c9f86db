"""Where the process meets its surroundings: systemd's notices, signals, and the command that runs before all others."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest
from server_process import alive, wait_until

from rrjobs.runtime.notify import notify
from rrjobs.runtime.on_init import InitFailed, run_to_end
from rrjobs.runtime.signals import STOP_SIGNALS, Signals


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    name = str(tmp_path / "notify") if kind == "path" else f"@rrjobs-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify("READY=1")
        assert listener.recv(100) == b"READY=1"


def test_without_systemd_or_after_it_has_gone_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1")


@pytest.mark.parametrize("number", STOP_SIGNALS)
async def test_the_first_stop_signal_drains_and_the_second_aborts(number: signal.Signals):
    aborted, reset = asyncio.Event(), asyncio.Event()
    signals = Signals(aborted.set, reset.set)
    signals.install()
    try:
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            await signals.stopping.wait()
        assert not aborted.is_set()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            await aborted.wait()
        assert not reset.is_set()
    finally:
        signals.remove()


async def test_sighup_resets_as_often_as_it_comes():
    reset = asyncio.Event()
    signals = Signals(lambda: None, reset.set)
    signals.install()
    try:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
            async with asyncio.timeout(5):
                await reset.wait()
            reset.clear()
        assert not signals.stopping.is_set()
    finally:
        signals.remove()


async def test_a_command_runs_to_its_end_with_its_variables_and_what_it_printed_is_returned():
    text = await run_to_end(["sh", "-c", "echo $GREETING; echo problem >&2"], 10, {"greeting": "hello"}, "")
    assert text == "hello\nproblem"


async def test_a_command_that_fails_tells_its_exit_code_and_its_words():
    with pytest.raises(InitFailed, match=r"^server.on_init: 'sh -c echo no; exit 3' exited with 3: no$"):
        await run_to_end(["sh", "-c", "echo no; exit 3"], 10, {}, "")


async def test_a_command_that_does_not_exist_is_named():
    with pytest.raises(InitFailed, match="cannot execute 'no-such-command': No such file or directory"):
        await run_to_end(["no-such-command"], 10, {}, "")


async def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path):
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $! $$ > {pids}; wait"
    with pytest.raises(InitFailed, match=r"took longer than 0.5 s"):
        await run_to_end(["sh", "-c", script], 0.5, {}, "")
    left = [int(pid) for pid in pids.read_text().split()]
    wait_until(lambda: not any(map(alive, left)), f"{left} are gone")


async def test_a_command_is_killed_when_the_server_is_told_to_stop_meanwhile(tmp_path: Path):
    pid = tmp_path / "pid"
    running = asyncio.create_task(run_to_end(["sh", "-c", f"echo $$ > {pid}; exec sleep 600"], 60, {}, ""))
    await asyncio.to_thread(wait_until, lambda: pid.exists() and pid.read_text(), "the command runs")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not alive(int(pid.read_text()))
