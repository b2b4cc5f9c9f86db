"""The folder in which a clean stop without a journal leaves what waits, until the next start takes it up.

It is a journal itself, there only between such a stop and the next start. A lock beside it says whose turn it is.
"""

import asyncio
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
from rrjobs.drivers.memory.journal.disk import Disk
from rrjobs.drivers.memory.journal.layout import HEADER_BYTES, segment_id
from rrjobs.drivers.memory.journal.lock import hold, in_turn
from rrjobs.drivers.memory.journalled import Journalled
from rrjobs.drivers.memory.store import Kept
from rrjobs.errors import DriverError
from rrjobs.runtime.events import Events

CONFIG = JournalConfig(sync=Sync.INTERVAL, reserve_bytes=0)


class ParkedFolder:
    """A server that takes over waits `predecessor_s` for the other one to park what it has."""

    def __init__(
        self, pipeline: str, path: Path, events: Events, predecessor_s: float = 0.0, disk: Disk | None = None
    ) -> None:
        self.path = path
        self.disk = disk
        self._pipeline = pipeline
        self._events = events
        self._predecessor_s = predecessor_s
        self._lock = path.with_name(f"{path.name}.lock")
        self._taken = path.with_name(f"{path.name}.taken")

    @property
    def in_use(self) -> bool:
        """Whether a server without a journal was ever here: it may be still."""
        return self._lock.exists() or self.path.exists() or self._taken.exists()

    async def take_turn(self) -> Callable[[], None]:
        """Returns what gives the lock back. Raises JournalInUse when another server still has it, OSError."""
        return await in_turn(partial(hold, self._lock), self._predecessor_s)

    async def read(self) -> Kept | None:
        """What is there; None when there is nothing. Raises DriverError."""
        await asyncio.to_thread(shutil.rmtree, self._taken, ignore_errors=True)  # of a start that was killed
        if not self.path.exists():
            return None
        reader = Journalled(self._pipeline, self.path, CONFIG, self._events, self.disk)
        kept = await reader.open()
        await reader.close(Kept())
        return kept

    def identity(self) -> bytes:
        """No other folder has the same: the header of its first file is partly random. Raises OSError."""
        first = min((file for file in self.path.iterdir() if segment_id(file.name) is not None), default=None)
        if first is None:
            return b""
        with first.open("rb") as file:
            return file.read(HEADER_BYTES)

    async def remove(self) -> None:
        """At once, also when that is cut off by a crash. Raises DriverError."""
        try:
            self.path.rename(self._taken)
        except OSError as err:
            raise DriverError(f"{self.path}: cannot be removed, its jobs would run twice: {err.strerror}") from err
        await asyncio.to_thread(shutil.rmtree, self._taken, ignore_errors=True)

    def tell_taken_up(self, kept: Kept) -> None:
        """What the log says of it."""
        jobs, letters = len(kept.jobs), len(kept.letters)
        self._events.emit("pipeline.taken_up", pipeline=self._pipeline, jobs=jobs, letters=letters)
