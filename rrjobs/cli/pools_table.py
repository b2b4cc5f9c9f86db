"""Pools as a table: how many workers each may have, why their number changed last, what waits and what takes long."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from rrjobs.runtime.duration import format_duration

LONG_S = 5.0
"""Shorter executions are nobody's business."""


def pools_table(rows: Sequence[dict[str, Any]], now: float) -> Table:
    """`rows` as `informer.Pools` tells them; `now` a unix time."""
    table = Table(title="Pools", title_justify="left")
    for column in ("POOL", "WORKERS", "WAITING", "LAST CHANGE", "LONGEST EXECUTION"):
        table.add_column(column, justify="right" if column in ("WORKERS", "WAITING") else "left")
    for row in rows:
        span = f" of {row['min']}-{row['max']}" if row["max"] != row["min"] else ""
        table.add_row(row["pool"], f"{row['workers']}{span}", str(row["waiting"]), _change(row, now), _longest(row))
    return table


def _change(row: dict[str, Any], now: float) -> str:
    if not row["reason"]:
        return ""
    return f"{_ago(now - row['changedAt'])} ago: {row['reason']}"


def _longest(row: dict[str, Any]) -> str:
    longest = row["longest"]
    if longest is None or longest["seconds"] < LONG_S:
        return ""
    return f"{longest['id']} on {longest['pid']} for {_ago(longest['seconds'])}"


def _ago(seconds: float) -> str:
    return format_duration(float(max(0, round(seconds))))
