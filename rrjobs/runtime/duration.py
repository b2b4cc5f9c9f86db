"""Durations as configuration files write them: `300ms`, `1h3m`, `2.5h`."""

import re

_UNITS_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_SHOWN = (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1))
MAX_S = 2**63 / 1e9
"""The longest duration RoadRunner can hold, some 292 years."""


def parse_duration(text: str) -> float:
    """Seconds of a duration text; raises ValueError saying what would be right. Negative ones are refused."""
    body = text.strip()
    if body in ("0", "+0", "-0"):
        return 0.0
    if body.startswith("-"):
        raise ValueError(f"must not be negative, got {text!r}")
    body = body.removeprefix("+")
    total, position = 0.0, 0
    while position < len(body):
        part = _PART.match(body, position)
        if part is None:
            raise ValueError(_complaint(text, body))
        total += float(part[1]) * _UNITS_NS[part[2]]
        position = part.end()
    if not position:
        raise ValueError("must be a duration such as 30s, 300ms or 1h3m, got an empty text")
    return bounded(total / 1e9)


def bounded(seconds: float) -> float:
    """The same number if it is a possible duration, ValueError otherwise."""
    if not 0 <= seconds < MAX_S:
        raise ValueError("must be a duration between 0 and 292 years")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest text that means the same: `1m30s`, `300ms`; nanoseconds are the finest grain."""
    left = round(seconds * 1e9)
    if not left:
        return "0s"
    parts = []
    for unit, size in _SHOWN:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def _complaint(text: str, body: str) -> str:
    if re.fullmatch(r"\d+(\.\d+)?", body):
        return f"has no unit: write {body}s for seconds or {body}ms for milliseconds"
    return f"must be a duration such as 30s, 300ms or 1h3m, got {text!r}"
