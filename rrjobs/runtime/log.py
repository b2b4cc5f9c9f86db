"""Where events become lines: console text or JSON, per channel, to streams or files."""

import logging
import logging.handlers
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

import orjson

from rrjobs.runtime.log_config import ChannelConfig, LogConfig

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "panic": logging.CRITICAL,
}
_COLOURS = {logging.DEBUG: "2", logging.INFO: "36", logging.WARNING: "33", logging.ERROR: "31"}
_TAIL_LINES = 12


class JsonFormatter(logging.Formatter):
    """One JSON object a line: level, ts (unix seconds), logger, msg, then the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        line: dict[str, object] = {
            "level": record.levelname.lower(),
            "ts": round(record.created, 6),
            "logger": _channel(record),
            "msg": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class ConsoleFormatter(logging.Formatter):
    """One line for a person: time, level, channel, event, `key=value` fields; a worker's last words indented below."""

    def __init__(self, coloured: bool) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        fields: dict[str, object] = dict(getattr(record, "fields", {}))
        tail = str(fields.pop("output", "") or "").strip()
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = f"{record.levelname[:5]:5}"
        if self._coloured:
            level = f"\033[{_COLOURS.get(record.levelno, '0')}m{level}\033[0m"
        shown = " ".join(f"{key}={_value(value)}" for key, value in fields.items() if value not in (None, ""))
        line = f"{clock}.{int(record.msecs):03d} {level} {_channel(record):7} {record.getMessage()} {shown}".rstrip()
        if tail:
            line += "".join(f"\n    | {one}" for one in tail.splitlines()[-_TAIL_LINES:])
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class RawFormatter(logging.Formatter):
    """The message alone: what a worker printed, or the event's name."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        fields: Mapping[str, object] = getattr(record, "fields", {})
        return str(fields.get("text", record.getMessage()))


def set_up_logs(config: LogConfig, channels: Sequence[str]) -> None:
    """Give every channel its handlers and level; replaces what an earlier call set up."""
    root = logging.getLogger("rrjobs")
    root.propagate = False
    for name in channels:
        logger = logging.getLogger(f"rrjobs.{name}")
        own = config.channels.get(name)
        _configure(logger, config, own)


def _configure(logger: logging.Logger, config: LogConfig, own: ChannelConfig | None) -> None:
    mode = (own and own.mode) or config.mode
    encoding = (own and own.encoding) or config.encoding or ("json" if mode == "production" else "console")
    outputs = (own and own.output) or config.output
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = False
    logger.setLevel(_LEVELS[(own and own.level) or config.level])
    if mode == "none":
        logger.addHandler(logging.NullHandler())
        logger.setLevel(logging.CRITICAL + 1)
        return
    file = (own and own.file_logger_options) or config.file_logger_options
    handlers: list[logging.Handler] = []
    if file is not None:
        size = file.max_size_mib * 1024**2
        handlers.append(
            logging.handlers.RotatingFileHandler(file.log_output, maxBytes=size, backupCount=file.max_backups)
        )
    else:
        handlers.extend(_handler(output) for output in outputs)
    for handler in handlers:
        handler.setFormatter(_formatter(mode, encoding, handler))
        logger.addHandler(handler)


def _handler(output: str) -> logging.Handler:
    streams: dict[str, TextIO] = {"stderr": sys.stderr, "stdout": sys.stdout}
    if output in streams:
        return logging.StreamHandler(streams[output])
    return logging.FileHandler(output)


def _formatter(mode: str, encoding: str, handler: logging.Handler) -> logging.Formatter:
    if mode == "raw":
        return RawFormatter()
    if encoding == "json":
        return JsonFormatter()
    stream = getattr(handler, "stream", None)
    return ConsoleFormatter(coloured=bool(stream is not None and stream.isatty()))


def _channel(record: logging.LogRecord) -> str:
    return record.name.removeprefix("rrjobs.")


def _value(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text or not text.isprintable() else text
