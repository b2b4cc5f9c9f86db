"""`rrjobs stop`: signal the server whose pid is in `.pid`."""

import os
import signal
import time
from pathlib import Path

import click

from rrjobs.cli.options import options_of
from rrjobs.cli.pid_file import PID_FILE, running_server
from rrjobs.config.load import examine
from rrjobs.errors import RRJobsError

FORCE_AFTER_S = 1.0


@click.command(help="Stop the server of this directory (started by run -p).")
@click.option("-f", "--force", is_flag=True, help="Do not wait for running deliveries.")
@click.pass_context
def stop(context: click.Context, force: bool) -> None:
    """SIGTERM; with -f a second one after a second, which aborts. The configuration need not hold any more."""
    path = examine(options_of(context).request).directory / PID_FILE
    pid = running_server(path)
    try:
        os.kill(pid, signal.SIGTERM)
        if force and not _ended_within(path, FORCE_AFTER_S):
            os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        click.echo("the server has stopped")
        return
    except PermissionError as err:
        raise RRJobsError(f"process {pid} belongs to another user: not permitted to stop it") from err
    click.echo(f"asked process {pid} to stop")


def _ended_within(path: Path, seconds: float) -> bool:
    """Whether the server gave up its file in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            running_server(path)
        except RRJobsError:
            return True
        time.sleep(0.05)
    return False
