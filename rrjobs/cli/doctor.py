"""`rrjobs doctor`: what this machine and this configuration have, miss, or do differently."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict

import click

from rrjobs.cli.checks.addresses import check_addresses
from rrjobs.cli.checks.finding import Finding, State
from rrjobs.cli.checks.machine import check_machine
from rrjobs.cli.checks.memory import check_memory
from rrjobs.cli.checks.packages import check_packages
from rrjobs.cli.checks.php import check_php
from rrjobs.cli.options import options_of
from rrjobs.cli.pid_file import PID_FILE, running_server
from rrjobs.config.load import Loaded, Reading, examine
from rrjobs.config.root import Root
from rrjobs.errors import RRJobsError
from rrjobs.rpc.client import RpcClient

SECTIONS = ("server", "http", "jobs", "any", "rpc", "logs", "status", "metrics", "endure")
ANSWER_S = 2.0


@click.command(help="Check this machine against a configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Exit code 1 when something is wrong."""
    findings = list(_examined(examine(options_of(context).request)))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in findings], indent=2))
    else:
        width = max(len(one.subject) for one in findings)
        for one in findings:
            click.echo(f"{one.state:9}  {one.subject:{width}}  {one.text}")
    context.exit(1 if any(one.state in (State.ERROR, State.NOT_YET) for one in findings) else 0)


def _examined(reading: Reading) -> Iterator[Finding]:
    for problem in reading.errors:
        if problem.not_yet:
            yield Finding(problem.key, State.NOT_YET, str(problem))
        else:
            yield Finding("config", State.ERROR, str(problem))
    for problem in reading.findings.warnings:
        yield Finding("config", State.WARNING, str(problem))
    loaded = reading.loaded
    if loaded is None:
        yield from (*check_php(None, reading.directory), *check_machine(None))
        return
    os.environ.update(loaded.environment)
    os.chdir(loaded.directory)
    yield Finding("config", State.OK, str(reading.path))
    yield from _sections(loaded)
    yield from check_memory(loaded.root, loaded.path.parent)
    yield from check_php(loaded.root, loaded.directory)
    yield from check_packages(loaded.root, loaded.directory)
    yield from check_addresses(loaded.root, _runs(loaded))
    yield from check_machine(loaded.root)


def _sections(loaded: Loaded) -> Iterator[Finding]:
    warned = {problem.key.partition(".")[0] for problem in loaded.warnings}
    for name in SECTIONS:
        if name in loaded.tree and name in warned:
            yield Finding(name, State.DIFFERENT, "supported, but for the warnings above")
        elif name in loaded.tree:
            yield Finding(name, State.OK, "supported")
    for name in Root.tolerated:
        if name in loaded.tree:
            yield Finding(name, State.DIFFERENT, "ignored: see the warnings above")


def _runs(loaded: Loaded) -> bool:
    """Whether the server of this configuration runs: it holds its file, or answers."""
    try:
        return running_server(loaded.directory / PID_FILE) > 0
    except RRJobsError:
        pass
    if loaded.root.rpc is None:
        return False
    try:
        with RpcClient(loaded.root.rpc.listen, ANSWER_S) as client:
            return bool(client.json("rpc.Version"))
    except RRJobsError:
        return False
