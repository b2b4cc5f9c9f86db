"""A server as a child process: started, awaited, frozen, killed, restarted on the same ports and data, stopped.

      start            freeze
down -------> running <------> frozen
 ^               |     thaw      |
 +---------------+---------------+   stop, kill, or it ended by itself
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import ClassVar, Self

from server_process import alive, descendants, wait_until

STOP_TIMEOUT_S = 15.0
FREE_S = 3.0
LOG_TAIL = 4000
"""Characters of the log that an error shows."""

RUNNING: "set[Server]" = set()


class ServerMissing(Exception):
    """What a server needs is not on this machine; the text says how to install it."""


class ServerFailed(Exception):
    """It ended, or was not ready within its deadline; the text ends with its log."""


class Server:
    """One server on 127.0.0.1. `directory` keeps its configuration, data and log through every restart.

    A server says what it is by `command`, and where needed by `environment`, `prepare` and `is_ready`.
    `lasting` is true for those that outlive a test.
    """

    name: ClassVar[str]
    start_timeout_s: ClassVar[float] = 30.0

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self.lasting = False
        self.log_path = directory / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False
        self._prepared = False

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process we started; the server proper may be a child of it."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process exists, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All it wrote to both streams, since the first start."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def family(self) -> set[int]:
        """The process and all below it."""
        return {self.pid} | descendants(self.pid) if self.running else set()

    def command(self) -> list[str]:
        """The foreground command; raises ServerMissing with the way to install it."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Variables on top of ours."""
        return {}

    def prepare(self) -> None:
        """Write what it reads; once, before the first start."""

    def is_ready(self) -> bool:
        """Whether it serves; asked every 10 ms while it starts."""
        return all(map(accepts, self.ports()))

    def ports(self) -> list[int]:
        """All it listens on for clients."""
        return [self.port]

    def start(self) -> Self:
        """Start, and return when it serves. Raises ServerMissing or ServerFailed; then nothing of it is left."""
        assert not self.running, f"{self.name} runs already"
        self.directory.mkdir(parents=True, exist_ok=True)
        command = self.command()
        self._await_free_ports()
        if not self._prepared:
            self.prepare()
            self._prepared = True
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._frozen = False
        RUNNING.add(self)
        try:
            self._await_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> int | None:
        """SIGTERM, and its exit code once all its processes are gone; killed after 15 s. Safe twice."""
        if not self.running:
            return self._ended()
        self.thaw()
        family = self.family()
        self.terminate()
        try:
            self._wait(family, STOP_TIMEOUT_S)
        except (subprocess.TimeoutExpired, AssertionError):
            self.kill()
        return self._ended()

    def terminate(self) -> None:
        """Ask it to end."""
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to all its processes: a crash. Its data stays as it is on disk. Safe twice."""
        family = self.family()
        self._signal(family, signal.SIGKILL)
        self._wait(family, STOP_TIMEOUT_S)
        self._ended()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers, as a hung machine."""
        self._signal(self.family(), signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """SIGCONT after `freeze`."""
        if self._frozen:
            self._signal(self.family(), signal.SIGCONT)
            self._frozen = False

    def restart(self, *, crash: bool = False) -> Self:
        """Stop (`crash`: kill) and start again on the same ports and data; returns when it serves."""
        if crash:
            self.kill()
        else:
            self.stop()
        return self.start()

    def revive(self) -> Self:
        """Make it serve again, whatever a test did to it."""
        self.thaw()
        return self if self.running else self.start()

    def _await_free_ports(self) -> None:
        """One that was killed leaves its ports a moment after the kernel calls it dead."""
        deadline = time.monotonic() + FREE_S
        while taken := [port for port in self.ports() if accepts(port)]:
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.name}: port {taken[0]} is taken by another program")
            time.sleep(0.01)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + self.start_timeout_s
        while not self.is_ready():
            if not self.running:
                raise ServerFailed(f"{self.name} ended while it started:\n{self.log[-LOG_TAIL:]}")
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"{self.name} was not ready within {self.start_timeout_s:g} s:\n{self.log[-LOG_TAIL:]}"
                )
            time.sleep(0.01)

    def _wait(self, family: set[int], timeout_s: float) -> None:
        if self._process is not None:
            self._process.wait(timeout_s)
        wait_until(lambda: not any(map(alive, family)), f"{self.name}: processes {family} end", timeout_s)

    def _ended(self) -> int | None:
        RUNNING.discard(self)
        self._frozen = False
        return None if self._process is None else self._process.returncode

    @staticmethod
    def _signal(pids: set[int], number: int) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def accepts(port: int) -> bool:
    """Whether somebody accepts connections on a port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def is_free(port: int) -> bool:
    """Whether a server could listen on a port of 127.0.0.1 now."""
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def lasting_processes() -> set[int]:
    """Processes of all servers that outlive a test."""
    return {pid for server in RUNNING if server.lasting for pid in server.family()}
