"""Named events: rooms emit what happened, logs and metrics listen.

The names, their fields and their levels are one table, `EVENTS`; emitting a name that is not in it is a bug and raises.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Listener = Callable[[str, Mapping[str, object]], None]


class EventKind(NamedTuple):
    """How one event is logged: its logger channel and level."""

    channel: str
    level: int


EVENTS: dict[str, EventKind] = {
    "worker.started": EventKind("server", logging.DEBUG),
    "worker.output": EventKind("server", logging.INFO),
    "worker.stopped": EventKind("server", logging.DEBUG),
    "worker.retired": EventKind("server", logging.INFO),
    "worker.failed": EventKind("server", logging.ERROR),
    "worker.spawn_failed": EventKind("server", logging.ERROR),
    "pool.ready": EventKind("server", logging.DEBUG),
    "pool.reset": EventKind("server", logging.INFO),
    "pool.recovered": EventKind("server", logging.INFO),
    "pool.scaled": EventKind("server", logging.INFO),
    "pool.reserved": EventKind("server", logging.INFO),
    "pool.stalled": EventKind("server", logging.ERROR),
    "pool.moving": EventKind("server", logging.INFO),
    "delivery.retried": EventKind("jobs", logging.WARNING),
    "delivery.dead": EventKind("jobs", logging.ERROR),
    "job.malformed_answer": EventKind("jobs", logging.ERROR),
    "pipeline.declared": EventKind("jobs", logging.INFO),
    "pipeline.limited": EventKind("jobs", logging.INFO),
    "pipeline.paused": EventKind("jobs", logging.INFO),
    "pipeline.resumed": EventKind("jobs", logging.INFO),
    "pipeline.destroyed": EventKind("jobs", logging.INFO),
    "pipeline.failed": EventKind("jobs", logging.ERROR),
    "pipeline.unsettled": EventKind("jobs", logging.WARNING),
    "broker.lost": EventKind("jobs", logging.ERROR),
    "broker.delays": EventKind("jobs", logging.ERROR),
    "broker.differs": EventKind("jobs", logging.WARNING),
    "broker.connected": EventKind("jobs", logging.INFO),
    "delivery.unsettled": EventKind("jobs", logging.ERROR),
    "delivery.superseded": EventKind("jobs", logging.WARNING),
    "pipeline.parked": EventKind("jobs", logging.INFO),
    "pipeline.taken_up": EventKind("jobs", logging.INFO),
    "journal.cut": EventKind("jobs", logging.WARNING),
    "journal.failing": EventKind("jobs", logging.ERROR),
    "journal.recovered": EventKind("jobs", logging.INFO),
    "http.request": EventKind("http", logging.INFO),
    "http.failed": EventKind("http", logging.ERROR),
    "http.overloaded": EventKind("http", logging.WARNING),
    "http.relieved": EventKind("http", logging.INFO),
    "http.refused": EventKind("http", logging.WARNING),
    "http.warning": EventKind("http", logging.WARNING),
    "rpc.refused": EventKind("rpc", logging.WARNING),
    "rpc.failed": EventKind("rpc", logging.ERROR),
    "app.message": EventKind("app", logging.INFO),
    "server.warning": EventKind("rrjobs", logging.WARNING),
    "server.failed": EventKind("rrjobs", logging.ERROR),
    "loop.blocked": EventKind("rrjobs", logging.ERROR),
    "loop.turning": EventKind("rrjobs", logging.WARNING),
}


class PromptLogger(logging.Logger):
    """A logger that can do without the event loop."""

    def log_at_once(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As `log`, from any thread; what was logged before may come out later."""
        raise NotImplementedError


class Events:
    """Hands each event to the logger of its channel and to whoever subscribed to its name."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = {}
        self._loggers = {kind.channel: logging.getLogger(f"rrjobs.{kind.channel}") for kind in EVENTS.values()}

    def subscribe(self, name: str, listener: Listener) -> None:
        """Call `listener(name, fields)` on every event of that name, synchronously and in order."""
        if name not in EVENTS:
            raise KeyError(name)
        self._listeners.setdefault(name, []).append(listener)

    def wants(self, name: str) -> bool:
        """Whether anybody would see this event: ask before building costly fields on a hot path."""
        kind = EVENTS[name]
        return name in self._listeners or self._loggers[kind.channel].isEnabledFor(kind.level)

    def emit(self, name: str, level: int | None = None, **fields: object) -> None:
        """Log the event (at `level`, or the table's) and tell its listeners."""
        kind = EVENTS[name]
        self._loggers[kind.channel].log(kind.level if level is None else level, name, extra={"fields": fields})
        for listener in self._listeners.get(name, ()):
            listener(name, fields)

    def emit_at_once(self, name: str, **fields: object) -> None:
        """Log the event from any thread, past all queues: the loop may never turn again. Listeners are not told."""
        kind = EVENTS[name]
        logger = self._loggers[kind.channel]
        log = logger.log_at_once if isinstance(logger, PromptLogger) else logger.log
        log(kind.level, name, extra={"fields": fields})
