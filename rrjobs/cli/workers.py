"""`rrjobs workers`: the workers and pipelines of a running server, once or live."""

import json
import signal
import time
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from rrjobs.cli.options import options_of
from rrjobs.cli.pools_table import pools_table
from rrjobs.rpc.client import RpcClient

REFRESH_S = 1.0


@click.command(help="Show the workers and pipelines of a running server.")
@click.argument("pools", nargs=-1)
@click.option("-i", "--interactive", is_flag=True, help="Redraw every second until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def workers(context: click.Context, pools: tuple[str, ...], interactive: bool, as_json: bool) -> None:
    """Of the named pools, or of all. The live view ends with Ctrl-C or SIGTERM, exit code 0."""
    if interactive and not as_json and not Console().is_terminal:
        raise click.UsageError("-i needs a terminal; without one use --json")
    with options_of(context).client() as client:
        if as_json:
            click.echo(json.dumps(snapshot(client, pools), indent=2))
        elif interactive:
            _live(client, pools)
        else:
            Console().print(_drawn(snapshot(client, pools)))


def snapshot(client: RpcClient, pools: tuple[str, ...]) -> dict[str, Any]:
    """`{"workers": {plugin: [...]}, "pools": [...], "pipelines": [...]}` as the server tells it."""
    listed: Any = client.json("informer.List")
    found: dict[str, Any] = {}
    for name in pools or listed:
        if name not in listed:  # unknown, which is an error, or another name of a pool that serves several kinds
            client.json("status.Status", {"plugin": name})
        reply: Any = client.json("informer.Workers", name)
        found[name] = reply["workers"]
    every: Any = client.json("informer.Pools")
    summaries = [one for one in every if one["plugin"] in found] or every  # the latter: one pool for several kinds
    return {"workers": found, "pools": summaries, "pipelines": client.json("informer.Jobs", "jobs") or []}


def _live(client: RpcClient, pools: tuple[str, ...]) -> None:
    """On the terminal's other screen, which gives its contents back at any end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    drawn = _drawn(snapshot(client, pools))
    try:
        with Live(drawn, auto_refresh=False, screen=True) as live:
            while True:
                live.update(_drawn(snapshot(client, pools)), refresh=True)
                time.sleep(REFRESH_S)
    except KeyboardInterrupt:
        return


def _drawn(state: Mapping[str, Any]) -> Group:
    tables = [_workers_table(name, rows) for name, rows in state["workers"].items()]
    tables.append(pools_table(state["pools"], time.time()))
    if state["pipelines"]:
        tables.append(_pipelines_table(state["pipelines"]))
    return Group(*tables)


def _workers_table(name: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=f"Workers of {name}", title_justify="left")
    for column in ("PID", "STATUS", "EXECS", "MEMORY", "CPU%", "CREATED"):
        table.add_column(column, justify="left" if column == "STATUS" else "right")
    for row in rows:
        age_s = max(0.0, time.time() - row["created"] / 1e9)
        table.add_row(
            str(row["pid"]),
            row["statusStr"],
            f"{row['numExecs']:,}",
            f"{row['memoryUsage'] / 1024**2:.1f} MB",
            f"{row['CPUPercent']:.2f}",
            f"{age_s:.0f} s ago",
        )
    return table


def _pipelines_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Pipelines", title_justify="left")
    for column in ("STATUS", "PIPELINE", "DRIVER", "QUEUE", "ACTIVE", "HELD", "DELAYED", "RESERVED"):
        table.add_column(column)
    for row in rows:
        status = "READY" if row["Ready"] else "NOT READY" if row["ErrorMessage"] else "PAUSED"
        counts = (str(row[key]) for key in ("Active", "Held", "Delayed", "Reserved"))
        table.add_row(status, row["Pipeline"], row["Driver"], row["Queue"], *counts)
    told = [f"{row['Pipeline']}: {why}" for row in rows for why in (row["HeldWhy"], row["ErrorMessage"]) if why]
    table.caption = escape("\n".join(told)) or None
    table.caption_justify = "left"
    return table
