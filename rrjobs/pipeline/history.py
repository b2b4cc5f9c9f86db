"""What happened to a job before this delivery: headers that travel with every copy of it.

Only the server writes them; they are taken off a job that is pushed or replayed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rrjobs.pipeline.job import NO_HEADERS, Headers

ATTEMPT = "rr-attempt"
CRASHES = "rr-crashes"
INTERRUPTIONS = "rr-interruptions"
PUSHED_AT = "rr-pushed-at"
TRAVELLING = frozenset({ATTEMPT, CRASHES, INTERRUPTIONS, PUSHED_AT})
MAX_COUNT = 2**31


@dataclass(frozen=True, slots=True)
class History:
    """`attempt` counts runs from 1, this one included; `pushed_at` is unix time in seconds, 0 when unknown.

    `interruptions` counts the servers that were killed while a worker had the job.
    """

    attempt: int = 1
    crashes: int = 0
    pushed_at: float = 0.0
    interruptions: int = 0

    def headers(self) -> dict[str, list[str]]:
        """As they travel."""
        found = {ATTEMPT: [str(self.attempt)]}
        if self.crashes:
            found[CRASHES] = [str(self.crashes)]
        if self.interruptions:
            found[INTERRUPTIONS] = [str(self.interruptions)]
        if self.pushed_at:
            found[PUSHED_AT] = [f"{self.pushed_at:.3f}"]
        return found


FRESH = History()


def history_of(headers: Headers) -> History:
    """What the headers tell; whatever cannot be read counts as not there."""
    if ATTEMPT not in headers:
        return FRESH
    attempt, crashes, pushed_at, cut = (_number(headers, name) for name in (ATTEMPT, CRASHES, PUSHED_AT, INTERRUPTIONS))
    return History(max(1, int(attempt)), int(crashes), pushed_at, int(cut))


def without_history(headers: Headers) -> Headers:
    """The headers of a job that begins anew."""
    if TRAVELLING.isdisjoint(headers):
        return headers
    return {name: values for name, values in headers.items() if name not in TRAVELLING} or NO_HEADERS


def _number(headers: Mapping[str, object], name: str) -> float:
    values = headers.get(name)
    try:
        found = float(values[0]) if isinstance(values, list | tuple) and values else 0.0
    except (ValueError, TypeError):
        return 0.0
    return min(found, MAX_COUNT * 8.0) if found > 0 else 0.0
