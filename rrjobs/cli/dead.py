"""`rrjobs dead`: jobs that failed for good, listed, shown, replayed and dropped."""

import base64
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from rrjobs.cli.options import options_of
from rrjobs.runtime.duration import format_duration, parse_duration

Asked = dict[str, Any]

_DONE = {"Replay": "replayed", "Drop": "dropped"}


@click.group("dead", help="List, show, replay and drop jobs that failed for good.")
def dead() -> None:
    """Letters are named by their own key or by their job's id."""


def _duration(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as err:
        raise click.BadParameter(str(err)) from err


def _choosing(command: Callable[..., None]) -> Callable[..., None]:
    """The options by which letters are chosen."""
    options = (
        click.argument("ids", nargs=-1),
        click.option("--pipeline", "pipelines", multiple=True, help="Of this pipeline; repeatable."),
        click.option("--name", "names", multiple=True, help="Of jobs of this name; repeatable."),
        click.option("--reason", "reasons", multiple=True, help="Dead for this reason: attempts, crashes, ..."),
        click.option("--older", "older_s", callback=_duration, help="Dead for longer than this, such as 2h."),
        click.option("--younger", "younger_s", callback=_duration, help="Dead for less than this."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@dead.command("list", help="Letters, the oldest first.")
@_choosing
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="So many at most.")
@click.pass_context
def list_letters(context: click.Context, /, as_json: bool, **asked: Any) -> None:
    """One by line, then the counts of each pipeline that has any."""
    reply = _call(context, "List", _request(asked))
    if as_json:
        click.echo(json.dumps(reply, indent=2))
        return
    for letter in reply["letters"]:
        age = format_duration(round(letter["age_s"]))
        first_line = letter["error"].partition("\n")[0][:100]
        runs = f"attempts={letter['attempts']} crashes={letter['crashes']}"
        click.echo(
            f"{letter['letter']}  {letter['pipeline']}  {letter['name']}  id={letter['id']}  {letter['reason']}  "
            f"{runs}  {age} ago  {first_line}"
        )
    for name, counts in reply["pipelines"].items():
        if counts["held"] or counts["lost"]:
            click.echo(
                f"{name}: {_letters(counts['held'])}, {counts['held_bytes']} bytes, {counts['lost']} lost to limits"
            )


@dead.command("show", help="All that is known of a letter.")
@click.argument("ids", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def show(context: click.Context, ids: Sequence[str], as_json: bool) -> None:
    """Facts, then the payload, then what its worker printed. Exits with 1 when one is not there."""
    reply = _call(context, "Show", {"ids": list(ids)})
    if as_json:
        click.echo(json.dumps(reply["letters"], indent=2))
    else:
        click.echo("\n\n".join(_described(letter) for letter in reply["letters"]))
    for key in reply["missing"]:
        click.echo(f"there is no letter {key}", err=True)
    if reply["missing"]:
        sys.exit(1)


@dead.command("replay", help="Push jobs once more; their letters are gone once they are accepted.")
@_choosing
@click.option("--all", "every", is_flag=True, help="All letters; asks first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def replay(context: click.Context, /, **asked: Any) -> None:
    """See _act."""
    _act(context, "Replay", asked)


@dead.command("drop", help="Forget letters and their jobs.")
@_choosing
@click.option("--all", "every", is_flag=True, help="All letters; asks first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def drop(context: click.Context, /, **asked: Any) -> None:
    """See _act."""
    _act(context, "Drop", asked)


def _act(context: click.Context, method: str, asked: Asked) -> None:
    """Exits with 1 when a letter that was named could not be had."""
    every, yes, as_json = asked.pop("every"), asked.pop("yes"), asked.pop("as_json")
    request = _request(asked)
    if not request and not every:
        raise click.UsageError("say which letters: ids, --pipeline, --name, --reason, --older, --younger or --all")
    if every and not yes:
        click.confirm(f"{method} all letters{' that match' if request else ''}?", abort=True, err=True)
    reply = _call(context, method, {**request, "all": every})
    if as_json:
        click.echo(json.dumps(reply, indent=2))
    else:
        for one in reply["refused"]:
            click.echo(one["reason"], err=True)
        click.echo(f"{_letters(len(reply['done']))} {_DONE[method]}")
    if reply["refused"]:
        sys.exit(1)


def _request(asked: Mapping[str, Any]) -> Asked:
    """Only what was given."""
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in asked.items()}
    return {key: value for key, value in given.items() if value not in (None, [])}


def _call(context: click.Context, method: str, request: Asked) -> Any:
    with options_of(context).client() as client:
        return client.json(f"dead.{method}", request)


def _described(letter: Mapping[str, Any]) -> str:
    facts = ("letter", "id", "pipeline", "name", "reason", "attempts", "crashes", "priority")
    lines = [f"{key}: {letter[key]}" for key in facts]
    lines.append(f"auto_ack: {'yes' if letter['auto_ack'] else 'no'}")
    lines += [f"{key}: {letter[key]}" for key in ("pid", "exit_code", "signal") if letter[key] is not None]
    lines += [f"{key}: {_moment(letter[key])}" for key in ("pushed_at", "died_at") if letter[key] is not None]
    lines += [f"header {name}: {', '.join(values)}" for name, values in letter["headers"].items()]
    lines.append(f"error: {letter['error']}")
    payload = base64.b64decode(letter["payload"])
    try:
        lines.append(f"payload ({len(payload)} bytes): {payload.decode()}")
    except UnicodeDecodeError:
        lines.append(f"payload ({len(payload)} bytes, base64): {letter['payload']}")
    if letter["output"]:
        lines.append(f"its worker printed last:\n{letter['output']}")
    return "\n".join(lines)


def _letters(number: int) -> str:
    return f"{number} letter{'' if number == 1 else 's'}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
