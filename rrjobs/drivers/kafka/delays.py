"""Delay topics: `<topic>.delay.<step>` holds records that wait at least `step` seconds, in the order they come due.

All records of a step wait equally long from when they were written, so its topic is read in order and none waits for
another. Then each goes to the step that fits what is left, and from step 0, where they wait for less than four seconds
in memory, to its own topic. A delay of an hour is seven steps, one of a day ten; longer ones repeat the largest step.
"""

import re
from bisect import bisect_right

STEPS = (0, 4, 16, 64, 256, 1024, 4096, 16384, 65536)
"""Seconds."""

SETTINGS = {"cleanup_policy": "delete", "retention_ms": "-1", "message_timestamp_type": "CreateTime"}
"""Nothing is deleted by age: what was moved on is deleted by us."""

_NAME = re.compile(r"(?P<topic>.+)\.delay\.(?P<step>\d+)")


def step_for(left_s: float) -> int:
    """The largest step that is not longer than what is left."""
    return STEPS[max(0, bisect_right(STEPS, left_s) - 1)]


def delay_topic(topic: str, step: int) -> str:
    """Where records of that step wait."""
    return f"{topic}.delay.{step}"


def step_of(name: str) -> int | None:
    """The step of a delay topic; None when it is none."""
    found = _NAME.fullmatch(name)
    return int(found["step"]) if found else None


def waits_until(step: int, written_s: float, due_s: float) -> float:
    """When a record of this step goes on: once the step is over, or it is due."""
    return min(due_s, written_s + step) if step else due_s
