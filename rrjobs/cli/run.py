"""`rrjobs run`: what surrounds the server: configuration, logs, pid file, descriptors, and who ran before."""

import asyncio
import os
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from rrjobs.cli.options import options_of
from rrjobs.cli.pid_file import PID_FILE, PidFile
from rrjobs.cli.serving import Serving
from rrjobs.cli.takeover import addresses_of, find_predecessors
from rrjobs.runtime.activation import take_up
from rrjobs.runtime.events import EVENTS
from rrjobs.runtime.handover.predecessors import Predecessors
from rrjobs.runtime.listening import LISTENING
from rrjobs.runtime.log import Logs


@click.command("run", help="Start the server.")
@click.option("--takeover", is_flag=True, help="Take the place of the running server, which finishes what it has.")
@click.pass_context
def run(context: click.Context, takeover: bool) -> None:
    """Exit code 0 after a graceful stop, 1 when the start failed or a second signal aborted."""
    options = options_of(context)
    loaded = options.load()
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    LISTENING.reuse_port = loaded.root.endure.reuse_port
    take_up(os.environ, addresses_of(loaded.root), LISTENING)
    predecessors = find_predecessors(loaded, takeover)
    inherits = options.pid and predecessors is not None and predecessors.has_pid_file(Path(PID_FILE))
    pid_file = _pid_file() if options.pid and not inherits else None
    logs = Logs(loaded.root.logs, {kind.channel for kind in EVENTS.values()})
    serving = Serving(loaded, options, logs, pid_file, predecessors)
    try:
        _raise_file_limit()
        _loop_runner()(serving.run())
    except KeyboardInterrupt:
        context.exit(1)
    finally:
        logs.close()
        _leave(serving, predecessors)


def _leave(serving: Serving, predecessors: Predecessors | None) -> None:
    if serving.pid_file is not None:
        serving.pid_file.give_up()
    if predecessors is not None:
        predecessors.close()


def _pid_file() -> PidFile:
    taken = PidFile.take(Path(PID_FILE))
    if taken.replaced and taken.replaced != str(os.getpid()):
        click.echo(f"warning: {PID_FILE} was left behind by process {taken.replaced}: replaced", err=True)
    return taken


def _raise_file_limit() -> None:
    """Connections and workers need descriptors: take what the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _loop_runner() -> "Callable[..., None]":
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    runner: Callable[..., None] = uvloop.run
    return runner
