"""`rrjobs stop`: signal the server whose pid is in `.pid`."""

import os
import signal
import time
from pathlib import Path

import click

from rrjobs.cli.options import options_of
from rrjobs.errors import RRJobsError

PID_FILE = ".pid"


@click.command(help="Stop the server whose pid is in .pid (written by run -p).")
@click.option("-f", "--force", is_flag=True, help="Do not wait for running deliveries.")
@click.pass_context
def stop(context: click.Context, force: bool) -> None:
    """SIGTERM; with -f a second one after a second, which aborts."""
    options_of(context).load()
    path = Path(PID_FILE)
    try:
        pid = int(path.read_text())
        os.kill(pid, signal.SIGTERM)
        if force:
            time.sleep(1)
            os.kill(pid, signal.SIGTERM)
    except FileNotFoundError as err:
        raise RRJobsError(f"there is no {path.absolute()}: start the server with `rrjobs run -p`") from err
    except ValueError as err:
        raise RRJobsError(f"{path.absolute()} does not hold a pid") from err
    except ProcessLookupError:
        click.echo("the server has stopped")
        return
    click.echo(f"asked process {pid} to stop")
