"""`rrjobs run`: the server, from the configuration to its last breath."""

import asyncio
import gc
import os
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from rrjobs.app import App
from rrjobs.cli.banner import banner
from rrjobs.cli.options import Options, options_of
from rrjobs.cli.pid_file import PID_FILE, PidFile
from rrjobs.config.load import Loaded
from rrjobs.errors import RRJobsError
from rrjobs.runtime.events import EVENTS, Events
from rrjobs.runtime.log import Logs
from rrjobs.runtime.notify import notify
from rrjobs.runtime.signals import Signals

GC_THRESHOLDS = (50_000, 20, 100)
"""A waiting job is an object: Python's defaults would walk a million of them again and again."""


@click.command("run", help="Start the server.")
@click.pass_context
def run(context: click.Context) -> None:
    """Exit code 0 after a graceful stop, 1 when the start failed or a second signal aborted."""
    options = options_of(context)
    loaded = options.load()
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    pid_file = _pid_file() if options.pid else None
    try:
        logs = Logs(loaded.root.logs, {kind.channel for kind in EVENTS.values()})
        _raise_file_limit()
        try:
            _loop_runner()(_serve(loaded, options, logs, pid_file))
        except KeyboardInterrupt:
            context.exit(1)
        finally:
            logs.close()
    finally:
        if pid_file is not None:
            pid_file.give_up()


def _pid_file() -> PidFile:
    taken = PidFile.take(Path(PID_FILE))
    if taken.replaced and taken.replaced != str(os.getpid()):
        click.echo(f"warning: {PID_FILE} was left behind by process {taken.replaced}: replaced", err=True)
    return taken


async def _serve(loaded: Loaded, options: Options, logs: Logs, pid_file: PidFile | None) -> None:
    events = Events()
    app = App(loaded, events)
    resets: set[asyncio.Task[None]] = set()

    def reset() -> None:
        task = asyncio.get_running_loop().create_task(_reset(app, events))
        resets.add(task)
        task.add_done_callback(resets.discard)

    signals = Signals(lambda: _abort(app, logs, pid_file), reset)
    signals.install()
    if not await _start(app, signals):
        return
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    if not options.silent:
        states = await app.registry.stat() if app.registry else []
        click.echo(banner(app, states))
    notify("READY=1")
    await signals.stopping.wait()
    notify("STOPPING=1")
    await _end(app, loaded.root.endure.grace_period_s, options.silent)
    signals.remove()


async def _start(app: App, signals: Signals) -> bool:
    """Whether it is up; False when it was told to stop meanwhile."""
    starting = asyncio.get_running_loop().create_task(app.start())
    stopping = asyncio.get_running_loop().create_task(signals.stopping.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if starting.done():
        starting.result()
        return True
    starting.cancel()
    with suppress(asyncio.CancelledError):
        await starting
    return False


async def _end(app: App, grace_s: float, silent: bool) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    if not silent:
        click.echo(f"stop signal received, grace timeout is: {grace_s:g} seconds")
    drain = await app.drain(grace_s)
    await app.stop(max(0.0, min(grace_s - (loop.time() - began), 5.0)) if drain.in_time else 0.0)
    if not silent:
        ending = app.ended(drain)
        finished, returned, cut_off = (
            getattr(ending.http, name) + getattr(ending.jobs, name) for name in ("finished", "returned", "cut_off")
        )
        click.echo(f"stopped: {finished} finished, {returned} returned, {cut_off} cut off")


async def _reset(app: App, events: Events) -> None:
    notify("RELOADING=1")
    try:
        await app.reset()
    except RRJobsError as err:
        events.emit("server.warning", text=f"reset failed: {err}")
    notify("READY=1")


def _abort(app: App, logs: Logs, pid_file: PidFile | None) -> None:
    app.fleet.kill_all()
    if pid_file is not None:
        pid_file.give_up()
    logs.close()
    click.echo("exit forced", err=True)
    os._exit(1)


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
