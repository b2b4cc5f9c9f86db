"""Who reads what a server prints may go (`rrjobs run | tee log`, ended by Ctrl-C) or stand still: it drains as ever."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from server_process import command_line, environment, rrjobs


@contextlib.contextmanager
def printing_to(end: int, folder: Path, config: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """A server that serves, with both of its streams in this pipe."""
    (folder / ".rr.yaml").write_text(yaml.safe_dump({"version": "3", **config}))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(folder / "n.sock"))
        notices.settimeout(30)
        process = subprocess.Popen(
            command_line("run"),
            cwd=folder,
            env=environment(NOTIFY_SOCKET=str(folder / "n.sock")),
            stdout=end,
            stderr=end,
            start_new_session=True,
        )
        try:
            assert notices.recv(4096).startswith(b"READY=1")
            yield process
        finally:
            process.kill()
            process.wait()


def fill(end: int) -> None:
    """Until not a byte more fits."""
    os.set_blocking(end, False)
    for size in (4096, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(end, b"x" * size)
    os.set_blocking(end, True)


@pytest.mark.parametrize("reader", ["gone", "stuck"])
def test_a_server_whose_reader_is_lost_keeps_its_jobs_at_a_stop(settings, tmp_path, reader):
    reading, end = os.pipe()
    settings["jobs"]["consume"] = []
    with printing_to(end, tmp_path, settings) as server:
        for number in range(3):
            assert rrjobs("jobs", "push", "mail", "job", "{}", "--id", str(number), cwd=tmp_path).returncode == 0
        if reader == "stuck":
            fill(end)
        else:
            os.close(reading)
        server.terminate()
        assert server.wait(40) == 0
    os.close(end)
    if reader == "stuck":
        os.close(reading)
    dumped = rrjobs("journal", "dump", ".rrjobs/parked/mail", cwd=tmp_path)
    assert len(dumped.stdout.splitlines()) == 3, dumped.stderr
