"""`rrjobs jobs limits`: who may run, shown and changed while the server runs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from rrjobs.cli.options import options_of

OFF = "off"
_RATE = ("limit", "per_s", "key")


@click.group("limits", help="Show and change limits of pipelines, and workers that pools keep free.")
def limits() -> None:
    """Changes hold until the server ends; the configuration says what holds after a start."""


@limits.command("show", help="Limits of these pipelines or of all, and what they hold back now.")
@click.argument("pipelines", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def show(context: click.Context, pipelines: Sequence[str], as_json: bool) -> None:
    """One pipeline by line, then the pools that keep workers free."""
    reply = _call(context, "Limits", {"pipelines": list(pipelines)})
    if as_json:
        click.echo(json.dumps(reply, indent=2))
        return
    for row in reply["pipelines"]:
        _tell(row)
    for pool in reply["pools"]:
        if pool["workers"]:
            _tell_pool(pool)


@limits.command("set", help="Change limits of a pipeline: max_workers=4 rate=10/60 rate.key=tenant reserve=off ...")
@click.argument("pipeline")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def set_limits(context: click.Context, pipeline: str, changes: Sequence[str], as_json: bool) -> None:
    """What is not named stays; `off` takes a limit away."""
    wanted = _parsed(changes)
    rate = wanted.get("rate")
    if isinstance(rate, dict):
        (now,) = _call(context, "Limits", {"pipelines": [pipeline]})["pipelines"]
        wanted["rate"] = {**(now["rate"] or {}), **rate}
    row = _call(context, "SetLimits", {"pipeline": pipeline, "set": wanted})
    if as_json:
        click.echo(json.dumps(row, indent=2))
    else:
        _tell(row)


@limits.command("reserve", help="Keep so many workers of a pool free for urgent deliveries; 0 for none.")
@click.argument("pool")
@click.argument("workers", type=click.IntRange(0))
@click.option("--priority", type=int, default=0, show_default=True, help="Urgent is this priority and lower numbers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def reserve(context: click.Context, pool: str, workers: int, priority: int, as_json: bool) -> None:
    """The pool by its name in jobs.pools, or `jobs` or `any`."""
    row = _call(context, "SetReserve", {"pool": pool, "workers": workers, "priority": priority})
    if as_json:
        click.echo(json.dumps(row, indent=2))
    else:
        _tell_pool(row)


def _call(context: click.Context, method: str, request: Mapping[str, object]) -> Any:
    with options_of(context).client() as client:
        return client.json(f"jobs.{method}", request)


def _parsed(changes: Sequence[str]) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{change!r} is not KEY=VALUE", param_hint="KEY=VALUE...")
        if key == "rate" and value != OFF:
            number, _, per_s = value.partition("/")
            wanted.setdefault("rate", {}).update({"limit": number, **({"per_s": per_s} if per_s else {})})
        elif key.startswith("rate."):
            part = key.removeprefix("rate.")
            if part not in _RATE:
                raise click.BadParameter(f"{key} is no part of a rate: there are {', '.join(_RATE)}")
            wanted.setdefault("rate", {})[part] = "" if value == OFF else value
        else:
            wanted[key] = None if value == OFF else value
    return wanted


def _tell(row: Mapping[str, Any]) -> None:
    told = [f"{key}={row[key]:g}" for key in ("reserve", "max_workers", "aging_s", "concurrency") if row[key]]
    if row["concurrency_key"]:
        told.append(f"concurrency_key={row['concurrency_key']}")
    if row["rate"]:
        rate = row["rate"]
        told.append(f"rate={rate['limit']}/{rate['per_s']:g}")
        told += [f"rate.key={rate['key']}"] if rate["key"] else []
    told += [f"ordering=key ordering_key={row['ordering_key']}"] if row["ordering_key"] else []
    counts = "" if row["running"] is None else f"  running={row['running']} held={row['held']}"
    click.echo(f"{row['pipeline']}: {' '.join(told) or 'no limits'}{counts}")
    if row["held_why"]:
        click.echo(f"  held back: {row['held_why']}")


def _tell_pool(row: Mapping[str, Any]) -> None:
    what = f"{row['workers']} of {row['size']} workers are kept free for priorities up to {row['priority']}"
    click.echo(f"pool {row['pool']}: {what if row['workers'] else 'no workers are kept free for urgent deliveries'}")
