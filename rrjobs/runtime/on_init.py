"""The command that runs to its end before any pool starts (spec/worker-and-http.md 4.1)."""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO

from rrjobs.errors import RRJobsError
from rrjobs.runtime.account import AccountError, account


class InitFailed(RRJobsError):
    """The command failed or took too long."""


async def run_to_end(command: Sequence[str], timeout_s: float, env: Mapping[str, str], user: str) -> str:
    """What it printed; raises InitFailed. On expiry or cancellation the command and its children are killed.

    It prints into a file: what it leaves running in the background keeps nobody waiting. Asyncio's own subprocesses
    are not used, since those of uvloop know neither user nor group.
    """
    shown = repr(" ".join(command))
    with tempfile.TemporaryFile() as output:
        child = _started(command, env, user, output)
        try:
            async with asyncio.timeout(timeout_s):
                await _ended(child)
        except BaseException as err:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if isinstance(err, TimeoutError):
                raise InitFailed(f"server.on_init: {shown} took longer than {timeout_s:g} s") from err
            raise
        output.seek(0)
        text = output.read().decode("utf-8", "replace").strip()
    if child.wait():
        raise InitFailed(f"server.on_init: {shown} exited with {child.returncode}: {text[-2000:]}")
    return text


def _started(command: Sequence[str], env: Mapping[str, str], user: str, output: IO[bytes]) -> "subprocess.Popen[bytes]":
    variables = {name.upper(): os.path.expandvars(value) for name, value in env.items()}
    try:
        owner = account(user, "server.on_init.user")
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **variables},
            start_new_session=True,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=() if owner else None,
        )
    except AccountError as err:
        raise InitFailed(str(err)) from err
    except OSError as err:
        raise InitFailed(f"server.on_init: cannot execute {' '.join(command)!r}: {err.strerror}") from err


async def _ended(child: "subprocess.Popen[bytes]") -> None:
    """Wait for its end without reaping it, so that its process group can still be named."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.pidfd_open(child.pid)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
