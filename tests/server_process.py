"""A real `rrjobs run` as a child of the tests: started, awaited, questioned, stopped, and proven to leave nothing."""

import contextlib
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "php" / "examples"
_COUNTER = itertools.count()
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 40.0


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = 15.0) -> Any:
    """The first true value of `condition`; fails the test with `what` when the deadline passes."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {timeout_s:g} s: {what}")
        time.sleep(0.01)


def descendants(pid: int) -> set[int]:
    """Every process below `pid`."""
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in path.read_text().split():
                found |= {int(child)} | descendants(int(child))
    return found


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def environment(**extra: str) -> dict[str, str]:
    """This environment with the project on Python's path."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **extra}


def command_line(*arguments: str) -> list[str]:
    """`rrjobs` with arguments, by the interpreter of the tests."""
    return [sys.executable, "-m", "rrjobs", *arguments]


def rrjobs(*arguments: str, cwd: Path, timeout_s: float = 60.0, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command_line(*arguments),
        cwd=cwd,
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


class ServerProcess:
    """A running server. `config` is its YAML as a dict, `lines` what it printed on both streams so far."""

    def __init__(
        self,
        directory: Path,
        config: Mapping[str, Any],
        flags: Sequence[str] = (),
        sockets: Sequence[socket.socket] = (),
        **extra: str,
    ) -> None:
        """`sockets` are passed as systemd does: from descriptor 3 on."""
        self.directory = directory
        self.config = config
        self.path = directory / ".rr.yaml"
        self.path.write_text(yaml.safe_dump({"version": "3", **config}, sort_keys=False))
        self.lines: list[str] = []
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify_path = directory / f"n{next(_COUNTER)}.sock"
        self._notices.bind(str(notify_path))
        self._process = subprocess.Popen(
            [*_passing(sockets), *command_line("run", *flags)],
            cwd=directory,
            pass_fds=[one.fileno() for one in sockets],
            env=environment(NOTIFY_SOCKET=str(notify_path), **extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """Everything it printed so far."""
        return "".join(self.lines)

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def notice(self, timeout_s: float = START_TIMEOUT_S) -> str:
        """The next word it sends to systemd; "" when it ended before."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if select.select([self._notices], [], [], 0.02)[0]:
                return self._notices.recv(4096).decode()
            if self._process.poll() is not None and not select.select([self._notices], [], [], 0)[0]:
                return ""
        raise AssertionError(f"no word from the server within {timeout_s:g} s:\n{self.output}")

    def ready(self) -> "ServerProcess":
        """Wait until it serves; fails with its output when it ended instead."""
        word = self.notice()
        assert word.startswith("READY=1\n"), (
            f"the server did not start: {word!r} exit code {self.exit_code}\n{self.output}"
        )
        return self

    def workers(self) -> set[int]:
        """PHP processes of the server."""
        return {pid for pid in descendants(self.pid) if "php" in _command_of(pid)}

    def signal(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Its exit code once it has ended and everything it printed was read."""
        code = self._process.wait(timeout_s)
        self._reader.join(5)
        return code

    def stop(self) -> int:
        """SIGTERM, and wait; the exit code."""
        if self._process.poll() is None:
            self.signal()
        return self.wait()

    def close(self) -> None:
        """Whatever happened, nothing of it is left afterwards; fails the test when something had to be killed."""
        family = descendants(self.pid) if self.exit_code is None else set()
        forced = False
        if self.exit_code is None:
            self.signal()
            try:
                self.wait(15)
            except subprocess.TimeoutExpired:
                forced = True
                self._process.kill()
                self.wait()
        self._notices.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        assert not forced, f"the server did not stop within 15 s:\n{self.output}"
        wait_until(lambda: not any(map(alive, family)), f"processes {family} end with the server", 10)

    def logged(self, text: str, timeout_s: float = 15.0) -> str:
        """The first line with `text` in it; waits for it."""
        found: str = wait_until(lambda: self._line_with(text), f"a line with {text!r} in:\n{self.output}", timeout_s)
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        """Events of one name, where logs.mode is production."""
        found = []
        for line in self.lines:
            with contextlib.suppress(ValueError):
                parsed = json.loads(line)
                if isinstance(parsed, dict) and parsed.get("msg") == name:
                    found.append(parsed)
        return found

    def get(self, path: str, port: int | None = None, timeout_s: float = 30.0) -> tuple[int, bytes]:
        """GET from `http.address`, or from another port; status and body, also of errors."""
        if port is None:
            port = int(str(self.config["http"]["address"]).rpartition(":")[2])
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout_s) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as err:
            with err:
                return err.code, err.read()

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A client command with the server's configuration."""
        return rrjobs(*arguments, cwd=self.directory)

    def _line_with(self, text: str) -> str | None:
        return next((line for line in self.lines if text in line), None)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):
            for line in self._process.stdout:
                self.lines.append(line)


@contextlib.contextmanager
def running(directory: Path, config: Mapping[str, Any], *flags: str, **extra: str) -> Iterator[ServerProcess]:
    """A server that serves; stopped at the end, with a proof that none of its processes is left."""
    server = ServerProcess(directory, config, flags, **extra)
    try:
        yield server.ready()
    finally:
        server.close()


def _passing(sockets: Sequence[socket.socket]) -> list[str]:
    """A shell that puts descriptors in their places and becomes the command behind it."""
    if not sockets:
        return []
    moves = " ".join(f"{3 + at}<&{one.fileno()}" for at, one in enumerate(sockets))
    script = f'exec {moves}; export LISTEN_PID=$$ LISTEN_FDS={len(sockets)}; exec "$@"'
    return ["bash", "-c", script, "bash"]


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
