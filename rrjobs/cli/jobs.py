"""`rrjobs jobs`: pipelines of a running server, as subcommands or by RoadRunner's flags."""

import base64
import json
import sys
import uuid
from collections.abc import Sequence
from typing import Any

import click

from rrjobs.cli.limits import limits
from rrjobs.cli.options import options_of
from rrjobs.cli.refusal import plain
from rrjobs.errors import RpcError, ServerUnreachable
from rrjobs.rpc.client import RpcClient
from rrjobs.runtime.duration import format_duration
from rrjobs.runtime.values import MAX_INTEGER

_OURS = {"held": "Held", "held_why": "HeldWhy", "error": "ErrorMessage"}
"""What `jobs.Stat` has no field for, as `informer.Jobs` calls it."""

_NOTHING = {
    "pipeline": "",
    "driver": "",
    "queue": "",
    "active": 0,
    "delayed": 0,
    "reserved": 0,
    "ready": False,
    "priority": 0,
    "held": 0,
    "held_why": "",
    "error": "",
}
"""What a reply leaves out is zero: programs that read ours need not know that."""

_NUMBER = click.IntRange(-MAX_INTEGER, MAX_INTEGER)


@click.group("jobs", invoke_without_command=True, help="List, pause, resume, push to and destroy pipelines.")
@click.option("--list", "list_", is_flag=True, help="As RoadRunner: list the pipelines.")
@click.option("--pause", "pause_", metavar="NAMES", help="As RoadRunner: pause pipelines, separated by commas.")
@click.option("--resume", "resume_", metavar="NAMES", help="As RoadRunner: resume pipelines.")
@click.option("--destroy", "destroy_", metavar="NAMES", help="As RoadRunner: destroy pipelines.")
@click.pass_context
def jobs(context: click.Context, list_: bool, pause_: str | None, resume_: str | None, destroy_: str | None) -> None:
    """Without a subcommand the flags are carried out, in this order: pause, resume, destroy, list."""
    if context.invoked_subcommand is not None:
        return
    asked = {"Pause": pause_, "Resume": resume_, "Destroy": destroy_}
    if not list_ and not any(asked.values()):
        raise click.UsageError("say what to do: list, stat, limits, pause, resume, push, destroy")
    with _client(context) as client:
        for method, names in asked.items():
            if names:
                _each(context, client, method, names.split(","))
        if list_:
            _tell_names(client, as_json=False)


@jobs.command("list", help="Names of all pipelines.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_pipelines(context: click.Context, as_json: bool) -> None:
    """One by line."""
    with _client(context) as client:
        _tell_names(client, as_json)


@jobs.command("stat", help="Counts of all pipelines.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def stat(context: click.Context, as_json: bool) -> None:
    """One pipeline by line."""
    with _client(context) as client:
        reply: Any = client.json("jobs.Stat", {})
        told: Any = client.json("informer.Jobs", "jobs")
    more = {row["Pipeline"]: {ours: row[theirs] for ours, theirs in _OURS.items()} for row in told or ()}
    rows = [_NOTHING | row | more.get(row["pipeline"], {}) for row in reply.get("stats", [])]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        state = "ready" if row["ready"] else "not ready" if row["error"] else "paused"
        counts = " ".join(f"{key}={row[key]}" for key in ("active", "delayed", "reserved"))
        click.echo(f"{row['pipeline']}: {row['driver']} {state} priority={row['priority']} {counts}")
        if row["held"]:
            click.echo(f"  held back: {row['held_why']}")
        if row["error"]:
            click.echo(f"  in trouble: {row['error']}")


@jobs.command("delayed", help="Jobs that wait for their time, retries too, the first to come due first.")
@click.argument("pipeline")
@click.option("--limit", type=click.IntRange(1), default=100, help="So many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def delayed(context: click.Context, pipeline: str, limit: int, as_json: bool) -> None:
    """One job by line."""
    with _client(context) as client:
        rows: Any = client.json("jobs.Delayed", {"pipeline": pipeline, "limit": limit})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['id']}: {row['name']} attempt={row['attempt']} runs in {format_duration(row['in_s'])}")


@jobs.command("push", help="Push one job; its payload is an argument, or - for standard input.")
@click.argument("pipeline")
@click.argument("name")
@click.argument("payload", default="")
@click.option("--id", "ident", default="", help="The job's id; a new one without it.")
@click.option("--priority", type=_NUMBER, default=0, help="Lower is earlier; 0 is the pipeline's.")
@click.option("--delay", type=click.IntRange(0, MAX_INTEGER), default=0, help="Seconds.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header; repeatable.")
@click.pass_context
def push(
    context: click.Context,
    pipeline: str,
    name: str,
    payload: str,
    ident: str,
    priority: int,
    delay: int,
    headers: Sequence[str],
) -> None:
    """Prints the id."""
    body = sys.stdin.buffer.read() if payload == "-" else payload.encode()
    job: dict[str, object] = {
        "job": name,
        "id": ident or str(uuid.uuid4()),
        "payload": base64.b64encode(body).decode(),
        "headers": _headers(headers),
        "options": {"pipeline": pipeline, "priority": priority, "delay": delay},
    }
    with _client(context) as client:
        client.json("jobs.Push", {"job": job})
    click.echo(job["id"])


def _named(method: str, text: str) -> click.Command:
    @click.command(method.lower(), help=text)
    @click.argument("names", nargs=-1, required=True)
    @click.pass_context
    def command(context: click.Context, names: tuple[str, ...]) -> None:
        with _client(context) as client:
            _each(context, client, method, names)

    return command


jobs.add_command(limits)

for _method, _text in (
    ("Pause", "Stop consuming; pushes are still taken."),
    ("Resume", "Consume again."),
    ("Destroy", "Forget pipelines and the jobs that wait in memory."),
):
    jobs.add_command(_named(_method, _text))


def _client(context: click.Context) -> RpcClient:
    return options_of(context).client()


def _each(context: click.Context, client: RpcClient, method: str, names: Sequence[str]) -> None:
    """Every name, also after one that was refused; then the exit code is 1."""
    refused = False
    for name in names:
        try:
            client.json(f"jobs.{method}", {"pipelines": [name.strip()]})
            click.echo(f"{name.strip()}: {method.lower()}")
        except ServerUnreachable:
            raise
        except RpcError as err:
            refused = True
            click.echo(f"{name.strip()}: {plain(err)}", err=True)
    if refused:
        context.exit(1)


def _tell_names(client: RpcClient, as_json: bool) -> None:
    reply: Any = client.json("jobs.List", {})
    names = sorted(reply.get("pipelines", []))
    if as_json:
        click.echo(json.dumps(names))
    else:
        for name in names:
            click.echo(name)


def _headers(given: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    headers: dict[str, dict[str, list[str]]] = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"{one!r} is not NAME:VALUE", param_hint="--header")
        headers.setdefault(name.strip(), {"value": []})["value"].append(value.strip())
    return headers
