"""Loads begin when the machine has little else to do: short waits, and a note of how busy it was all the same."""

import statistics
import time
from pathlib import Path

from tests.bench.settings import PATIENCE_S

LOOK_S = 0.2
CALM = 0.1
"""Share of all cores that others may use."""
_seen: list[float] = []
_waited_s = 0.0


def wait() -> None:
    """Until others leave the cores alone, as long as patience lasts. What is under measurement must be idle."""
    global _waited_s
    while (busy := _busy()) > CALM and _waited_s < PATIENCE_S:
        _waited_s += LOOK_S
    _seen.append(busy)


def told() -> str:
    """How it was when the loads began."""
    if not _seen:
        return ""
    usual, worst = statistics.median(_seen), max(_seen)
    busy = f"other work used {usual:.0%} of the cores (median, at most {worst:.0%})"
    return f"When the loads began, {busy}; waited {_waited_s:.0f} s for quiet"


def _busy() -> float:
    before = _ticks()
    time.sleep(LOOK_S)
    idle, total = (now - then for now, then in zip(_ticks(), before, strict=True))
    return 1 - idle / total if total else 0.0


def _ticks() -> tuple[int, int]:
    """Those of idleness, and all."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)
