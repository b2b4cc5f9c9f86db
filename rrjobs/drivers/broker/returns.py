"""Which messages went back to the broker unstarted, so that their redelivery does not count as an attempt.

Brokers count every delivery, or mark it, whether the job was run or not. What this server gave back itself is kept
here, over a clean stop in a file, and taken off that count. What another server gave back is not known here: such a
redelivery counts as an attempt.
"""

from collections import OrderedDict
from pathlib import Path

import orjson

MOST = 100_000
"""Messages remembered; the oldest are forgotten first, and their redelivery counts as an attempt."""


class Returns:
    """`path` None: nothing outlives the process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._times: OrderedDict[str, int] = OrderedDict()

    def load(self) -> None:
        """Take up what the last clean stop left. It is read once: after a crash nothing is known."""
        if self._path is None:
            return
        try:
            found = orjson.loads(self._path.read_bytes())
            self._path.unlink()
            self._times.update((str(identity), int(times)) for identity, times in dict(found).items())
        except (OSError, ValueError, TypeError):
            return  # an attempt too many is counted, no more

    def save(self) -> None:
        """At a clean stop. What cannot be written counts as not known."""
        if self._path is None or not self._times:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(orjson.dumps(dict(self._times)))
        except OSError:
            return

    def note(self, identity: str) -> None:
        """It goes back unstarted."""
        self._times[identity] = self._times.pop(identity, 0) + 1
        if len(self._times) > MOST:
            self._times.popitem(last=False)

    def unexplained(self, identity: str, redelivered: int) -> int:
        """How many of its earlier deliveries were not returns of ours."""
        return max(0, redelivered - self._times.get(identity, 0)) if redelivered else 0

    def forget(self, identity: str) -> None:
        """It is settled."""
        self._times.pop(identity, None)
