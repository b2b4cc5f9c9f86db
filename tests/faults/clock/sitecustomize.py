"""Python begins with this where its folder is on the path: wall clocks that jump by the seconds that are in a file.

The file is that of CLOCK_OFFSET. Only `time.time` and `time.time_ns` jump, as the wall clock does when somebody sets
it; monotonic clocks, and those of other programs, go on.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path


def jumping(path: Path, clock: Callable[[], int]) -> Callable[[], int]:
    """A clock in nanoseconds, moved by what the file says now."""
    return lambda: clock() + int(float(path.read_text()) * 1e9)


if "CLOCK_OFFSET" in os.environ:
    time.time_ns = jumping(Path(os.environ["CLOCK_OFFSET"]), time.time_ns)
    time.time = lambda: time.time_ns() / 1e9
