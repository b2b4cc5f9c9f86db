"""Where events become lines: which channel goes where, from which level on, and how it reads."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rrjobs.errors import RRJobsError
from rrjobs.runtime.events import PromptLogger
from rrjobs.runtime.log_config import ChannelConfig, FileLogConfig, LogConfig
from rrjobs.runtime.log_file import File, Rotation
from rrjobs.runtime.log_lines import Console, Line, Style, as_json, as_raw, wants_colour
from rrjobs.runtime.log_outlet import Outlet, Stream

ROOT = "rrjobs"
_LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40, "panic": 50}
_SILENT = 100
_NOTHING: Mapping[str, object] = {}
_STREAMS = {"stdout": 1, "stderr": 2}


class EventLogger(PromptLogger):
    """A channel. Events take a short way past the logging module's records: requests are logged by the thousand."""

    def __init__(self, name: str, level: int = logging.NOTSET) -> None:
        super().__init__(name, level)
        self.outlets: tuple[tuple[Style, Outlet], ...] = ()
        self.channel = name.removeprefix(f"{ROOT}.")

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """An event: `msg` is its name, `extra["fields"]` its fields."""
        if level >= self.level:
            fields = kwargs["extra"]["fields"] if "extra" in kwargs else _NOTHING
            self.write(Line(time.time(), level, self.channel, str(msg), fields))

    def log_at_once(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """See PromptLogger."""
        if level >= self.level:
            line = Line(time.time(), level, self.channel, str(msg), kwargs["extra"]["fields"])
            for style, outlet in self.outlets:
                outlet.put_at_once(style(line))

    def write(self, line: Line) -> None:
        """To every output of the channel."""
        for style, outlet in self.outlets:
            outlet.take(style, line)


class Logs:
    """All channels and their outputs; made once, before anybody asks for the channels' loggers."""

    def __init__(self, config: LogConfig, channels: Iterable[str]) -> None:
        """Raises RRJobsError when a file cannot be opened."""
        self._outlets: dict[str, Outlet] = {}
        self._complaints: dict[str, set[str]] = {}
        known = logging.Logger.manager.loggerDict
        self._before = {name: known.get(name) for name in (f"{ROOT}.{channel}" for channel in channels)}
        for name in self._before:
            logger = EventLogger(name)
            self._configure(logger, config, config.channels.get(logger.channel))
            known[name] = logger
        self._bridge = _Bridge(config.level, logging.getLogger(f"{ROOT}.{ROOT}"))
        logging.getLogger().addHandler(self._bridge)
        logging.captureWarnings(True)

    def close(self) -> None:
        """Write what is left and give the loggers back; safe twice."""
        logging.getLogger().removeHandler(self._bridge)
        logging.captureWarnings(False)
        for outlet in self._outlets.values():
            outlet.close()
        known = logging.Logger.manager.loggerDict
        for name, before in self._before.items():
            if before is None:
                known.pop(name, None)
            else:
                known[name] = before

    def _configure(self, logger: EventLogger, config: LogConfig, own: ChannelConfig | None) -> None:
        """What a channel does not set is as in `logs`."""
        mode = (own and own.mode) or config.mode
        encoding = (own and own.encoding) or config.encoding or ("json" if mode == "production" else "console")
        logger.setLevel(_SILENT if mode == "none" else _LEVELS[(own and own.level) or config.level])
        if mode == "none":
            return
        rotated = (own and own.file_logger_options) or (None if own and own.output else config.file_logger_options)
        outputs = (own and own.output) or config.output
        names = [rotated.log_output] if rotated else list(dict.fromkeys(outputs))
        logger.outlets = tuple((_style(mode, encoding, name), self._outlet(name, rotated)) for name in names)
        for name in names:
            self._complaints.setdefault(name, set()).update((own and own.err_output) or config.err_output)

    def _outlet(self, name: str, rotated: FileLogConfig | None) -> Outlet:
        """One for each output: channels that share it keep their order."""
        if name not in self._outlets:
            target = Stream(_STREAMS[name]) if name in _STREAMS else _file(name, rotated)
            self._outlets[name] = Outlet(target, lambda err: self._failed(name, err))
        return self._outlets[name]

    def _failed(self, name: str, err: OSError) -> None:
        """Told where `err_output` says, as well as that can be done."""
        reason = os.strerror(err.errno or 0)
        text = (
            f"{time.strftime('%H:%M:%S')} logs: cannot write to {name}: {reason}; lines are lost until it works again\n"
        )
        for where in sorted(self._complaints.get(name, set()) - {name}):
            with contextlib.suppress(OSError):
                target = Stream(_STREAMS[where]) if where in _STREAMS else File(Path(where))
                target.write(text.encode())
                target.close()


def _file(name: str, rotated: FileLogConfig | None) -> File:
    try:
        if rotated is None:
            return File(Path(name))
        max_bytes, age_s = rotated.max_size_mib * 1024 * 1024, rotated.max_age * 86400.0
        return File(Path(name), Rotation(max_bytes, rotated.max_backups, age_s, rotated.compress))
    except OSError as err:
        raise RRJobsError(f"logs: cannot write to {name}: {os.strerror(err.errno or 0)}") from err


def _style(mode: str, encoding: str, output: str) -> Style:
    if mode == "raw":
        return as_raw
    if encoding == "json":
        return as_json
    return Console(coloured=output in _STREAMS and wants_colour(_STREAMS[output]))


class _Bridge(logging.Handler):
    """What libraries and Python itself log (asyncio's complaints, warnings) reaches the same outputs."""

    def __init__(self, level: str, logger: logging.Logger) -> None:
        super().__init__(max(_LEVELS[level], logging.WARNING))
        self._logger = logger
        self._tracebacks = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler; never raises."""
        try:
            fields: dict[str, object] = {"text": record.getMessage(), "source": record.name}
            if record.exc_info and record.exc_info[0] is not None:
                fields["traceback"] = self._tracebacks.formatException(record.exc_info)
            name = "server.failed" if record.levelno >= logging.ERROR else "server.warning"
            self._logger.log(record.levelno, name, extra={"fields": fields})
        except Exception:  # a log must not bring down what it tells about
            sys.excepthook(*sys.exc_info())
