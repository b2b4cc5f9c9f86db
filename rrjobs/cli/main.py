"""The `rrjobs` command: persistent flags, and subcommands that are imported when they are used.

Exit codes: 0 success or a graceful stop, 1 any error or a forced stop, 2 a wrong command line.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from rrjobs import __version__
from rrjobs.cli.streams import hold_standard_streams
from rrjobs.errors import RpcError, RRJobsError

COMMANDS = {
    "run": ("rrjobs.cli.run", "run", "Start the server."),
    "serve": ("rrjobs.cli.run", "run", "The same as run."),
    "workers": ("rrjobs.cli.workers", "workers", "Show the workers and pipelines of a running server."),
    "reset": ("rrjobs.cli.reset", "reset", "Replace the workers of a running server."),
    "jobs": ("rrjobs.cli.jobs", "jobs", "List, pause, resume, push to and destroy pipelines."),
    "dead": ("rrjobs.cli.dead", "dead", "List, show, replay and drop jobs that failed for good."),
    "journal": ("rrjobs.cli.journal", "journal", "Check, repair and print the journal of a memory pipeline."),
    "config": ("rrjobs.cli.config", "config", "Check, show and describe the configuration."),
    "stop": ("rrjobs.cli.stop", "stop", "Stop the server of this directory (started by run -p)."),
    "doctor": ("rrjobs.cli.doctor", "doctor", "Check this machine against a configuration."),
    "version": ("rrjobs.cli.version", "version", "Show the version."),
}


class LazyGroup(click.Group):
    """Imports a subcommand's module at its first use, and lists all of them without."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click.Group."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See click.Group."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click.Group."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-c", "--config", "path", type=click.Path(path_type=Path), help="Configuration file (.rr.yaml).")
@click.option("-w", "--WorkDir", "workdir", type=click.Path(path_type=Path), help="Working directory.")
@click.option("-o", "--override", "overrides", multiple=True, help="Set one value: key.path=value.")
@click.option("--dotenv", type=click.Path(path_type=Path), help="File of environment variables.")
@click.option("-d", "--debug", is_flag=True, help="Show tracebacks of unexpected errors.")
@click.option("-p", "--pid", is_flag=True, help="run: write the server's pid to .pid, for stop.")
@click.option("-s", "--silent", is_flag=True, help="No banner.")
@click.option("-e", "--enable-experimental", is_flag=True, help="Accepted for RoadRunner's sake; changes nothing.")
@click.version_option(__version__, "-v", "--version", message="rrjobs version %(version)s")
@click.pass_context
def cli(
    context: click.Context,
    path: Path | None,
    workdir: Path | None,
    overrides: Sequence[str],
    dotenv: Path | None,
    debug: bool,
    pid: bool,
    silent: bool,
    enable_experimental: bool,
) -> None:
    """A home for long-lived PHP processes: HTTP and jobs on one priority pipeline."""
    from rrjobs.cli.options import Options
    from rrjobs.config.load import Request

    request = Request(path, workdir, overrides, dotenv)
    context.obj = request
    context.meta["rrjobs.options"] = Options(request, debug, pid, silent)


FLAGS_WITH_VALUE = ("-c", "--config", "-w", "--WorkDir", "-o", "--override", "--dotenv")
FLAGS = ("-d", "--debug", "-p", "--pid", "-s", "--silent", "-e", "--enable-experimental")


def persistent_first(arguments: Sequence[str]) -> list[str]:
    """Persistent flags may stand behind the command, as with RoadRunner: move them before it."""
    first: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            rest += [word, *waiting]
            break
        if word in FLAGS_WITH_VALUE and waiting:
            first += [word, waiting.pop(0)]
        elif word in FLAGS or word.startswith(tuple(f"{flag}=" for flag in FLAGS_WITH_VALUE)):
            first.append(word)
        else:
            rest.append(word)
    return first + rest


def main() -> None:
    """Entry point; never shows a traceback unless -d asks for it."""
    hold_standard_streams()
    arguments = persistent_first(sys.argv[1:])
    try:
        cli.main(arguments, prog_name="rrjobs", standalone_mode=True)
    except RpcError as err:
        from rrjobs.cli.refusal import plain

        click.echo(plain(err), err=True)
        sys.exit(1)
    except RRJobsError as err:
        click.echo(str(err), err=True)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as err:
        if "-d" in arguments or "--debug" in arguments:
            raise
        click.echo(f"unexpected error, please report it: {type(err).__name__}: {err} (-d shows where)", err=True)
        sys.exit(1)
