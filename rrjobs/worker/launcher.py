"""Starting worker processes: command, environment, descriptors (spec/worker-and-http.md 2, 3.1, 4)."""

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rrjobs.errors import SpawnError
from rrjobs.runtime.account import AccountError, account
from rrjobs.worker.config import ServerConfig
from rrjobs.worker.guard import Guard
from rrjobs.worker.process import Pipes, Process
from rrjobs.worker.relay_listener import RelayListener


@dataclass(frozen=True, slots=True)
class Launch:
    """What one pool's workers are started with."""

    command: Sequence[str]
    mode: str
    rpc_listen: str = ""
    version: str = ""
    extra_env: Mapping[str, str] = field(default_factory=dict)


class Launcher:
    """Starts the workers of one pool; all of them are watched by the guard."""

    def __init__(
        self, server: ServerConfig, launch: Launch, guard: Guard, listener: RelayListener | None = None
    ) -> None:
        self.command = tuple(launch.command or server.command)
        self.mode = launch.mode
        self.rpc_listen = launch.rpc_listen
        """Where the next workers are told to call."""
        self._server = server
        self._launch = launch
        self._guard = guard
        self._listener = listener

    @property
    def relay(self) -> str:
        """How frames travel: private, pipes, or the DSN."""
        return self._listener.dsn if self._listener else self._server.relay or "private"

    def start(self) -> Process:
        """Fork and exec; raises SpawnError when the command cannot be executed at all."""
        if not self.command:
            raise SpawnError("command should not be empty: set server.command", command=(), fatal=True)
        if self._listener is not None:
            return self._start_socket()
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        out_read, out_write = os.pipe()
        private = self.relay == "private"
        relay = f"pipes://fd/{to_read}:fd/{from_write}" if private else "pipes"
        try:
            popen = self._popen(
                relay,
                stdin=subprocess.DEVNULL if private else to_read,
                stdout=out_write if private else from_write,
                stderr=out_write,
                pass_fds=(to_read, from_write) if private else (),
            )
        except BaseException:
            for fd in (to_read, to_write, from_read, out_read):
                os.close(fd)
            raise
        finally:
            os.close(from_write)
            os.close(out_write)
        os.set_blocking(to_write, False)
        os.set_blocking(from_read, False)
        return self._process(popen, Pipes(to_write, from_read, out_read, peek=to_read))

    async def connect(self, process: Process) -> None:
        """Wait until a worker with a socket relay has connected and told its pid; nothing to do for pipes."""
        if self._listener is None:
            return
        connection = await self._listener.connection_of(process.pid)
        fd = connection.detach()
        process.pipes.to_worker = fd
        process.pipes.from_worker = os.dup(fd)

    def ended(self, process: Process) -> None:
        """The process was reaped."""
        self._guard.release(process.pid)
        if self._listener is not None:
            self._listener.forget(process.pid)

    def _start_socket(self) -> Process:
        out_read, out_write = os.pipe()
        try:
            popen = self._popen(self.relay, stdin=subprocess.DEVNULL, stdout=out_write, stderr=out_write, pass_fds=())
        except BaseException:
            os.close(out_read)
            raise
        finally:
            os.close(out_write)
        process = self._process(popen, Pipes(-1, -1, out_read))
        assert self._listener is not None
        self._listener.expect(process.pid)
        return process

    def _process(self, popen: subprocess.Popen[bytes], pipes: Pipes) -> Process:
        self._guard.watch(popen.pid)
        return Process(popen, pipes, asyncio.get_running_loop())

    def _popen(
        self, relay: str, *, stdin: int, stdout: int, stderr: int, pass_fds: tuple[int, ...]
    ) -> subprocess.Popen[bytes]:
        try:
            owner = account(self._server.user, "server.user")
            return subprocess.Popen(
                self.command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=pass_fds,
                env=self._environment(relay),
                start_new_session=True,
                user=owner.pw_uid if owner else None,
                group=owner.pw_gid if owner else None,
                extra_groups=() if owner else None,
            )
        except AccountError as err:
            raise SpawnError(str(err), command=(), fatal=True) from err
        except (OSError, ValueError) as err:
            missing = f"there is no program {self.command[0]!r} here: install it, or correct server.command"
            barred = (
                f"{self.command[0]!r} is no program that may be run here: make it executable, or correct server.command"
            )
            reasons: dict[type[Exception], str] = {FileNotFoundError: missing, PermissionError: barred}
            reason = reasons.get(type(err)) or getattr(err, "strerror", None) or str(err)
            text = f"cannot execute the worker command {' '.join(self.command)!r}: {reason}"
            raise SpawnError(text, command=self.command, fatal=True) from err

    def _environment(self, relay: str) -> dict[str, str]:
        env = dict(os.environ)
        env["RR_RELAY"] = relay
        if self.rpc_listen:
            env["RR_RPC"] = self.rpc_listen
        for name, value in self._server.env.items():
            env[name.upper()] = os.path.expandvars(value)
        env["RR_VERSION"] = self._launch.version
        env["RR_MODE"] = self._launch.mode
        env.update(self._launch.extra_env)
        return env
