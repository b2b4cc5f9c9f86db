"""`rrjobs config`: check a configuration, show what it comes to, print its JSON Schema.

The flags `-c`, `-w`, `-o` and `--dotenv` belong to the whole program: its main group leaves them as a `Request` in the
click context. Exit codes: 0 when the configuration holds, 1 when it does not.
"""

import json
from collections.abc import Sequence

import click

from rrjobs.config.effective import Effective, effective
from rrjobs.config.load import Loaded, Reading, Request, examine
from rrjobs.config.problems import Problem, in_order


@click.group("config", help="Check, show and describe the configuration.")
def config() -> None:
    """The group; its commands do the work."""


@config.command("check", help="Say everything that is wrong with the configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(context: click.Context, as_json: bool) -> None:
    """Errors go to stderr one by line, warnings before them; exit code 1 if there are errors."""
    reading = _examine(context)
    warnings = in_order(reading.findings.warnings)
    if as_json:
        click.echo(_json(_report(reading, warnings)))
    else:
        _tell("warning", warnings)
        _tell("error", reading.errors)
        if reading.loaded is not None:
            click.echo(f"{reading.path}: the configuration holds{_count(warnings)}")
    context.exit(0 if reading.loaded is not None else 1)


@config.command("show", help="Show every effective value and where it came from; secrets are hidden.")
@click.argument("key", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def show(context: click.Context, key: str | None, as_json: bool) -> None:
    """All values, or those of one section or key."""
    loaded = _loaded(context)
    values = [one for one in effective(loaded.root, loaded.nodes) if _below(one.key, key)]
    if key is not None and not values:
        raise click.ClickException(f"no value at {key!r}: `rrjobs config show` lists all")
    if as_json:
        rows = [{"key": one.key, "value": one.value, "source": str(one.origin)} for one in values]
        click.echo(_json(rows))
    else:
        _table(values)


@config.command("schema", help="Print the JSON Schema of the configuration, for editors.")
def schema() -> None:
    """The same text as config/schema.json."""
    from rrjobs.config.schema import schema_text

    click.echo(schema_text(), nl=False)


def _examine(context: click.Context) -> Reading:
    return examine(context.find_object(Request) or Request())


def _loaded(context: click.Context) -> Loaded:
    """The configuration; ends the program with all errors if it does not hold."""
    reading = _examine(context)
    if reading.loaded is None:
        _tell("error", reading.errors)
        context.exit(1)
    return reading.loaded


def _tell(level: str, problems: Sequence[Problem]) -> None:
    for problem in problems:
        click.echo(f"{level}: {problem}", err=True)


def _count(warnings: Sequence[Problem]) -> str:
    if not warnings:
        return ""
    return f", with {len(warnings)} warning{'s' if len(warnings) > 1 else ''}"


def _report(reading: Reading, warnings: Sequence[Problem]) -> dict[str, object]:
    return {
        "path": str(reading.path),
        "ok": reading.loaded is not None,
        "errors": [_as_object(problem) for problem in reading.errors],
        "warnings": [_as_object(problem) for problem in warnings],
    }


def _as_object(problem: Problem) -> dict[str, object]:
    origin = problem.origin
    return {
        "file": origin.file,
        "line": origin.line,
        "column": origin.column,
        "key": problem.key,
        "message": problem.text,
    }


def _below(name: str, key: str | None) -> bool:
    return key is None or name == key.lower() or name.lower().startswith(f"{key.lower()}.")


def _table(values: Sequence[Effective]) -> None:
    rows = [(one.key, json.dumps(one.value, ensure_ascii=False), str(one.origin)) for one in values]
    keys, texts = (max(len(row[column]) for row in rows) for column in (0, 1))
    for key, text, origin in rows:
        click.echo(f"{key:<{keys}}  {text:<{min(texts, 48)}}  {origin}")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
