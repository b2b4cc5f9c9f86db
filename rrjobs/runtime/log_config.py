"""The `logs` section."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator

from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Flag, Int, Names, parse_map

_SYNONYMS = {"off": "none", "false": "none", "warning": "warn", "dpanic": "panic", "fatal": "panic"}
"""RoadRunner's other words."""


def _word(value: object) -> object:
    if not isinstance(value, str | bool):
        return value
    word = str(value).strip().lower()
    return _SYNONYMS.get(word, word)


Mode = Annotated[Literal["development", "production", "raw", "none"], BeforeValidator(_word)]
Level = Annotated[Literal["debug", "info", "warn", "error", "panic"], BeforeValidator(_word)]
Encoding = Annotated[Literal["console", "json"], BeforeValidator(_word)]

_NOT_YET = {
    "line_ending": "lines end with a line feed",
    "format": "use `encoding`",
    "time_format": "use `encoding`",
}


class FileLogConfig(Section):
    """A log file that is rotated by size."""

    log_output: str = setting(..., "Path of the file.", min_length=1)
    max_size_mib: Int = setting(100, "Size at which it is rotated.", unit="MiB", ge=0)
    max_backups: Int = setting(10, "Rotated files that are kept.", unit="files", ge=0)
    max_age: Int = setting(
        24, "Age at which rotated files are removed.", unit="days", ge=0, differs="0 is no limit; there it is 24"
    )
    compress: Flag = setting(False, "Whether rotated files are compressed with gzip.")


class ChannelConfig(Section):
    """The log of one room (http, jobs, server, rpc, app, ...); what is not set is as in `logs`."""

    not_yet: ClassVar[Mapping[str, str]] = _NOT_YET
    mode: Mode | None = setting(None, "As `logs.mode`.")
    level: Level | None = setting(None, "As `logs.level`.")
    encoding: Encoding | None = setting(None, "As `logs.encoding`.")
    output: Names | None = setting(None, "As `logs.output`.")
    err_output: Names | None = setting(None, "As `logs.err_output`.")
    file_logger_options: FileLogConfig | None = setting(None, "As `logs.file_logger_options`.")


class LogConfig(Section):
    """What is logged, how, and where to."""

    not_yet: ClassVar[Mapping[str, str]] = _NOT_YET
    mode: Mode = setting("development", "development (coloured text), production (JSON), raw (messages alone) or none.")
    level: Level = setting(
        "info",
        "Least level that is logged: debug, info, warn, error or panic, which logs next to nothing.",
        differs="the default there is debug",
    )
    encoding: Encoding | None = setting(None, "console or json; by default json in production, else console.")
    output: Names = setting(("stderr",), "stderr, stdout or paths of files.")
    err_output: Names = setting(("stderr",), "Where it is told that an output cannot be written to: as `output`.")
    file_logger_options: FileLogConfig | None = setting(None, "A rotated file in place of `output`.")
    channels: Annotated[Mapping[str, ChannelConfig], BeforeValidator(parse_map)] = setting(
        dict, "Logs of single rooms by name.", differs="a channel takes what it does not set from `logs`"
    )
