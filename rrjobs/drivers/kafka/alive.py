"""Whether the background tasks of one of aiokafka's clients still run.

Each of them ends at an error that it did not expect; what it did is then never done again, and nobody is told.
"""

import asyncio
from collections.abc import Iterator
from typing import Any


def ended(client: Any) -> str:
    """Which task of a started producer or consumer has ended, and why; "" while all of them run."""
    for what, task in _tasks(client):
        if task is not None and task.done():
            err = None if task.cancelled() else task.exception()
            return f"aiokafka has ceased to {what}" + (f": {type(err).__name__}: {err}" if err else "")
    return ""


def _tasks(client: Any) -> Iterator[tuple[str, "asyncio.Task[None] | None"]]:
    if (sender := getattr(client, "_sender", None)) is not None:
        yield "send", sender._sender_task
    if (fetcher := getattr(client, "_fetcher", None)) is not None:
        yield "fetch", fetcher._fetch_task
    if (coordinator := getattr(client, "_coordinator", None)) is not None:
        yield "take part in its group", getattr(coordinator, "_coordination_task", None)
    inner = getattr(client, "client", None) or client._client
    yield "learn of the cluster", inner._sync_task
