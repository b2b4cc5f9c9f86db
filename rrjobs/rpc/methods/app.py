"""app.*: log lines of the PHP program (spec/jobs-and-rpc.md 2.8)."""

import logging
from collections.abc import Callable
from typing import Any

from rrjobs.rpc.method import AnyMethod, Method
from rrjobs.rpc.shapes import ANYTHING, EMPTY, TEXT, Message
from rrjobs.runtime.events import Events

LEVELS = {"Error": logging.ERROR, "Warning": logging.WARNING, "Info": logging.INFO, "Debug": logging.DEBUG}


class AppMethods:
    """The service `app`: levels go to the log channel `app`; `Log` goes past the logger, to `write` (stderr)."""

    def __init__(self, events: Events, write: Callable[[str], object]) -> None:
        self._events = events
        self._write = write

    def methods(self) -> list[AnyMethod]:
        """All of it."""
        entry = Message("LogEntry")
        made: list[AnyMethod] = [
            Method("app.Log", TEXT, ANYTHING, self._log),
            Method("app.LogWithContext", entry, EMPTY, self._log_entry),
        ]
        for name, level in LEVELS.items():
            made.append(Method(f"app.{name}", TEXT, ANYTHING, self._plain(level)))
            made.append(Method(f"app.{name}WithContext", entry, EMPTY, self._with_context(level)))
        return made

    def _plain(self, level: int) -> "Callable[[str], Any]":
        async def handle(message: str) -> bool:
            self._events.emit("app.message", level, message=message)
            return False

        return handle

    def _with_context(self, level: int) -> "Callable[[Any], Any]":
        async def handle(entry: Any) -> None:
            attributes = {one.key: one.value for one in entry.log_attrs}
            self._events.emit("app.message", level, message=entry.message, attributes=attributes)

        return handle

    async def _log(self, message: str) -> bool:
        self._write_line(message)
        return False

    async def _log_entry(self, entry: Any) -> None:
        attributes = ",".join(f"{one.key}:{one.value}" for one in entry.log_attrs)
        self._write_line(f"{entry.message} {attributes}" if attributes else entry.message)

    def _write_line(self, text: str) -> None:
        """With exactly one newline at its end."""
        self._write(text.removesuffix("\n") + "\n")
