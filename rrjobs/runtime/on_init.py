"""The command that runs to its end before any pool starts (spec/worker-and-http.md 4.1)."""

import asyncio
import os
import pwd
import signal
from collections.abc import Mapping, Sequence

from rrjobs.errors import RRJobsError


class InitFailed(RRJobsError):
    """The command failed or took too long."""


async def run_to_end(command: Sequence[str], timeout_s: float, env: Mapping[str, str], user: str) -> str:
    """What it printed; raises InitFailed. On expiry or cancellation the command and its children are killed."""
    owner = pwd.getpwnam(user) if user else None
    variables = {name.upper(): os.path.expandvars(value) for name, value in env.items()}
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **variables},
            start_new_session=True,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
        )
    except OSError as err:
        raise InitFailed(f"server.on_init: cannot execute {' '.join(command)!r}: {err.strerror}") from err
    try:
        async with asyncio.timeout(timeout_s):
            printed, _ = await process.communicate()
    except BaseException as err:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if isinstance(err, TimeoutError):
            raise InitFailed(f"server.on_init: {' '.join(command)!r} took longer than {timeout_s:g} s") from err
        raise
    text = printed.decode("utf-8", "replace").strip()
    if process.returncode:
        raise InitFailed(f"server.on_init: {' '.join(command)!r} exited with {process.returncode}: {text[-2000:]}")
    return text
