"""How a logged event reads: JSON for programs, one line for people, the bare message for pipes."""

import os
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import orjson


class Line(NamedTuple):
    """One event as it was logged; `created` in unix seconds, `level` a number of the logging module."""

    created: float
    level: int
    channel: str
    name: str
    fields: Mapping[str, object]


Style = Callable[[Line], str]
"""Makes the text of a line, without its end."""

LEVEL_NAMES = {10: "debug", 20: "info", 30: "warn", 40: "error", 50: "panic"}
"""RoadRunner's words for the numbers of the logging module."""

TAIL_LINES = 12
"""How much of a worker's last words is shown to people; programs get all of it."""

_TAILS = ("output", "traceback")
"""Fields of several lines: they are shown below the sentence."""

_COLOURS = {10: "\033[2m", 20: "\033[36m", 30: "\033[33m", 40: "\033[31m", 50: "\033[1;31m"}
_DIM, _PLAIN = "\033[2m", "\033[0m"

SENTENCES: dict[str, str] = {
    "worker.started": "worker {pid} of pool {pool} is ready",
    "worker.output": "{text}",
    "worker.stopped": "worker {pid} of pool {pool} has stopped",
    "worker.retired": "worker {pid} of pool {pool} was replaced: {reason}",
    "worker.failed": "worker {pid} of pool {pool} failed: {reason}",
    "worker.spawn_failed": "pool {pool} cannot start a worker, next attempt in {again_in_s} s: {error}",
    "pool.ready": "pool {pool} is ready with {workers} workers",
    "pool.reset": "pool {pool} was reset: {workers} new workers",
    "pool.recovered": "pool {pool} can start workers again",
    "pool.scaled": "pool {pool} goes from {before} to {workers} workers: {reason}",
    "pool.reserved": "pool {pool} keeps {workers} workers free for priorities up to {priority}",
    "pool.stalled": "pool {pool} stands still: {reason}",
    "pool.moving": "pool {pool} moves again",
    "delivery.retried": "job {id} failed in attempt {attempt} and runs again in {again_in_s} s: {reason}",
    "delivery.dead": "job {id} of pipeline {pipeline} is a dead letter ({reason}): {error}",
    "job.malformed_answer": "job {id} was answered with what is no answer: {reason}",
    "pipeline.declared": "pipeline {pipeline} was opened",
    "pipeline.limited": "pipeline {pipeline} has other limits: {limits}",
    "pipeline.paused": "pipeline {pipeline} is paused",
    "pipeline.resumed": "pipeline {pipeline} consumes",
    "pipeline.destroyed": "pipeline {pipeline} was destroyed",
    "pipeline.parked": "pipeline {pipeline}: {jobs} jobs and {letters} dead letters are kept for the next start",
    "pipeline.taken_up": "pipeline {pipeline}: {jobs} jobs and {letters} dead letters of the last run were taken up",
    "pipeline.failed": "pipeline {pipeline} is in trouble: {error}",
    "pipeline.unsettled": "pipeline {pipeline} stopped with {deliveries} outcomes untold: those jobs come again",
    "broker.lost": "pipeline {pipeline} lost its broker {broker}: {reason}",
    "broker.differs": "pipeline {pipeline} uses {queue} as it is: {differs}",
    "broker.delays": "pipeline {pipeline} cannot move its delayed jobs: {reason}",
    "broker.connected": "pipeline {pipeline} is connected to its broker {broker}",
    "delivery.unsettled": "what became of job {id} of pipeline {pipeline} cannot be told to its broker: {error}",
    "delivery.superseded": "job {id} of pipeline {pipeline} ran, and its broker gave it to others meanwhile: {reason}",
    "journal.cut": "the journal {path} ended in a half-written record: cut at {offset}, {size_bytes} bytes",
    "journal.failing": "the journal {path} cannot be written, pushes are refused: {reason}",
    "journal.recovered": "the journal {path} can be written again",
    "http.request": "{status} {method} {URI} {elapsed_ms} ms",
    "http.failed": "{method} {path} failed: {reason}",
    "http.overloaded": "requests are sent away with 503: {reason}",
    "http.relieved": "requests are taken again, {shed} were sent away",
    "http.refused": "{status} for {remote_address}: {reason}",
    "http.warning": "{method} {path}: {reason}",
    "rpc.refused": "closed the connection of {peer}: {reason}",
    "rpc.failed": "{method} failed unexpectedly: {error}",
    "app.message": "{message}",
    "server.warning": "{text}",
    "server.failed": "{text}",
    "loop.blocked": "{reason}",
    "loop.turning": "the event loop turns again, after {seconds} s",
    "log.dropped": "{lines} log lines were dropped: whoever reads them is too slow",
}
"""What people read instead of the event's name; fields that a sentence does not use follow it as `key=value`."""

_BRIEF = {
    "http.request": frozenset({"URL", "start", "read_bytes", "write_bytes"}),
    "worker.failed": frozenset({"exit_code", "signal"}),
}
"""Fields that people are spared: the sentence says as much."""


def as_json(line: Line) -> str:
    """One object: level, ts, logger, msg (the event's name), then its fields."""
    head: dict[str, object] = {
        "level": LEVEL_NAMES.get(line.level, str(line.level)),
        "ts": round(line.created, 6),
        "logger": line.channel,
        "msg": line.name,
    }
    return orjson.dumps(head | dict(line.fields), default=str, option=orjson.OPT_NON_STR_KEYS).decode("utf-8")


def as_raw(line: Line) -> str:
    """The sentence alone."""
    return sentence(line)


class Console:
    """Time, level, channel and sentence; what a worker printed last is indented below."""

    def __init__(self, *, coloured: bool) -> None:
        self._coloured = coloured
        self._second = -1
        self._clock = ""

    def __call__(self, line: Line) -> str:
        """See Style."""
        level = f"{LEVEL_NAMES.get(line.level, '').upper():5}"
        clock = f"{self._time(int(line.created))}.{int(line.created * 1000) % 1000:03d}"
        if self._coloured:
            level = f"{_COLOURS.get(line.level, '')}{level}{_PLAIN}"
            clock = f"{_DIM}{clock}{_PLAIN}"
        return f"{clock} {level} {line.channel:7} {sentence(line)}{_tail(line.fields)}"

    def _time(self, second: int) -> str:
        if second != self._second:
            self._second = second
            self._clock = time.strftime("%H:%M:%S", time.localtime(second))
        return self._clock


def wants_colour(descriptor: int) -> bool:
    """Whether a person's terminal is there, who did not ask for plain text (https://no-color.org)."""
    return os.isatty(descriptor) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def sentence(line: Line) -> str:
    """What happened, in one line."""
    template = SENTENCES.get(line.name)
    fields = line.fields
    if template is None:
        text, used = line.name, frozenset[str]()
    else:
        text, used = template.format_map(_Shown(fields)), _used(line.name, template)
    rest = " ".join(
        f"{key}={_value(value)}"
        for key, value in fields.items()
        if key not in used and key not in _TAILS and value is not None and value != ""
    )
    return f"{text}  {rest}" if rest else text


def _used(name: str, template: str, known: dict[str, frozenset[str]] = {}) -> frozenset[str]:  # noqa: B006 a cache
    used = known.get(name)
    if used is None:
        names = {part.partition("}")[0] for part in template.split("{")[1:]}
        used = known[name] = frozenset(names) | _BRIEF.get(name, frozenset())
    return used


class _Shown(dict[str, object]):
    """Fields as they stand in a sentence: control characters cannot end the line, and none is missing."""

    def __getitem__(self, key: str) -> str:
        return _printable(str(self.get(key, "-")))


def _value(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text else _printable(text)


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(sign: str) -> str:
    return "\t" if sign == "\t" else sign.encode("unicode_escape").decode("ascii")


def _tail(fields: Mapping[str, object]) -> str:
    text = next((str(fields[name]) for name in _TAILS if fields.get(name)), "").strip()
    if not text:
        return ""
    lines = text.splitlines()
    shown = "".join(f"\n    | {_printable(one)}" for one in lines[-TAIL_LINES:])
    hidden = len(lines) - TAIL_LINES
    return f"\n    | ({hidden} lines more in the JSON log){shown}" if hidden > 0 else shown
