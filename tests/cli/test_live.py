"""`rrjobs workers -i` in a terminal: it shows what goes on, and leaves the terminal as it found it."""

import fcntl
import os
import select
import signal
import subprocess
import termios
import time

import pytest
from server_process import command_line, environment, rrjobs

LEAVE, SHOW_CURSOR = b"\x1b[?1049l", b"\x1b[?25h"


def lead() -> None:
    """In the child: its standard input is its terminal, from which Ctrl-C comes."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A program in a terminal of its own; `seen` is all it wrote there."""

    def __init__(self, directory, *arguments: str) -> None:
        self.master, slave = os.openpty()
        termios.tcsetwinsize(slave, (40, 120))
        self.before = termios.tcgetattr(slave)
        self.seen = b""
        self.slave = slave
        self.process = subprocess.Popen(
            command_line(*arguments),
            cwd=directory,
            env=environment(TERM="xterm-256color"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lead,
        )

    def wait_for(self, text: bytes, times: int = 1) -> None:
        deadline = time.monotonic() + 20
        while self.seen.count(text) < times:
            assert time.monotonic() < deadline, self.seen
            self._read(0.1)

    def end(self) -> int:
        code = self.process.wait(20)
        while self._read(0.05):
            pass
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def _read(self, wait_s: float) -> bool:
        if not select.select([self.master], [], [], wait_s)[0]:
            return False
        self.seen += os.read(self.master, 65536)
        return True


@pytest.fixture
def terminal():
    made: list[Terminal] = []

    def run(directory, *arguments: str) -> Terminal:
        made.append(Terminal(directory, *arguments))
        return made[-1]

    yield run
    for one in made:
        one.close()


@pytest.mark.parametrize("end", ["ctrl-c", "sigterm"])
def test_the_live_view_redraws_and_gives_the_terminal_back(start_server, settings, terminal, end):
    server = start_server(settings)
    view = terminal(server.directory, "workers", "-i")
    view.wait_for(b"Workers of any", times=2)
    if end == "ctrl-c":
        os.write(view.master, b"\x03")
    else:
        view.process.send_signal(signal.SIGTERM)
    assert view.end() == 0
    assert LEAVE in view.seen
    assert view.seen.rindex(SHOW_CURSOR) > view.seen.rindex(b"Workers of any")
    assert b"Traceback" not in view.seen
    assert termios.tcgetattr(view.slave) == view.before


def test_the_live_view_ends_with_one_message_when_the_server_goes(start_server, settings, terminal):
    server = start_server(settings)
    view = terminal(server.directory, "workers", "-i")
    view.wait_for(b"Workers of any")
    assert server.stop() == 0
    assert view.end() == 1
    after = view.seen[view.seen.rindex(LEAVE) :]
    assert b"server" in after
    assert b"Traceback" not in view.seen
    assert termios.tcgetattr(view.slave) == view.before


def test_without_a_terminal_the_live_view_is_refused(tmp_path):
    (tmp_path / ".rr.yaml").write_text('version: "3"\nrpc: {}\n')
    ended = rrjobs("workers", "-i", cwd=tmp_path)
    assert ended.returncode == 2
    assert "--json" in ended.stderr
