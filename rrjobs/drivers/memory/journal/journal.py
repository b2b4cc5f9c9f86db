"""The journal's front door: open it, change it, read its state, close it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rrjobs.drivers.memory.journal.batch import Batch, Group
from rrjobs.drivers.memory.journal.committer import Committer, Pace
from rrjobs.drivers.memory.journal.compaction import Compactor
from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
from rrjobs.drivers.memory.journal.disk import Disk, OsDisk
from rrjobs.drivers.memory.journal.hand import Hand
from rrjobs.drivers.memory.journal.lock import in_turn
from rrjobs.drivers.memory.journal.opening import Opened, begin
from rrjobs.drivers.memory.journal.recovery import Recovered
from rrjobs.drivers.memory.journal.writer import error_of
from rrjobs.errors import JournalError
from rrjobs.runtime.events import Events

SETTLED_SYNC_S = 0.1
"""With `sync: always`, what nobody waits for is on disk within this time when no push takes it along."""


@dataclass(frozen=True, slots=True)
class JournalState:
    """`reason` says why changes cannot be written at the moment; empty when they can."""

    reason: str
    entries: int
    payload_bytes: int
    disk_bytes: int


class Journal:
    """One open journal; all of it on the event loop that opened it.

    The entries of a group that somebody awaits belong to that group until it is done: nobody else touches them.
    """

    def __init__(
        self,
        disk: Disk,
        folder: Path,
        config: JournalConfig,
        events: Events,
        opened: Opened,
        release: Callable[[], None],
    ) -> None:
        """Made by `open_journal`."""
        self._path = str(folder)
        self._events = events
        self._release = release
        self._closed = False
        self.removed: Callable[[Iterable[int]], None] | None = None
        """Told of entries whose end is with the kernel."""
        self._writer = opened.writer
        self._live = opened.live
        self._hand = Hand("journal", asyncio.get_running_loop())
        self._committer = Committer(folder, self._writer, self._hand, self._live, _pace(config), self)
        self._compactor = Compactor(disk, folder, self._live, self._committer, config.segment_bytes, self.failing)
        self._compactor.consider()

    def group(self) -> Group:
        """An empty one, to be filled and then handed to `submit` or `keep`."""
        return Group(self._live)

    async def add(self, kind: int, payloads: Sequence[bytes]) -> list[int]:
        """New entries, all or none, in one group; returns when they are safe. Raises JournalFull, JournalError."""
        group = Group(self._live)
        numbers = group.add_all(kind, payloads)
        await self.submit(group)
        return numbers

    def submit(self, group: Group, then: Callable[[bool], None] | None = None) -> asyncio.Future[None]:
        """Done when the group is safe (`sync: always`: on disk; `interval`: with the kernel), or with JournalFull or
        JournalError, and then none of it counts. Raises EntryGone, JournalError.

        A cancelled future changes nothing about the group: it may well be written. `then` is called in any case, before
        the future is done, with whether it was; it must not raise.
        """
        self._check_open()
        group.then = then
        return self._committer.submit(group)

    def keep(self, group: Group) -> None:
        """Write the group soon, again and again until it succeeds; nobody waits. Raises EntryGone, JournalError."""
        self._check_open()
        self._committer.keep(group)

    def remove(self, *numbers: int) -> None:
        """Entries that have ended, as `keep` does; cheap. Raises EntryGone, JournalError."""
        self._check_open()
        self._committer.remove(numbers)

    def remove_all(self, numbers: Sequence[int]) -> None:
        """The same for many, or for one at less cost."""
        if self._closed:
            self._check_open()
        if len(numbers) == 1:
            self._committer.remove_one(numbers[0])
        else:
            self._committer.remove(numbers)

    async def sync(self) -> None:
        """Everything so far is on disk on return. Raises JournalFull, JournalError."""
        self._check_open()
        await self._committer.barrier()

    @property
    def state(self) -> JournalState:
        """Of this moment."""
        live = self._live
        return JournalState(self._committer.reason, len(live.places), live.payload_bytes, live.disk_bytes)

    async def close(self) -> None:
        """Write what waits, and let go of the folder; safe twice. What could not be written is told as an event."""
        if self._closed:
            return
        self._closed = True
        await self._compactor.close()
        left = await self._committer.close()
        self._hand.submit(self._writer.close, self._closed_with)
        await asyncio.to_thread(self._hand.stop)
        if left:
            self.failing(f"{self._path}: closed while it cannot be written to; {left} changes are lost")
        self._release()

    def failing(self, reason: str) -> None:
        """See Listener."""
        self._events.emit("journal.failing", path=self._path, reason=reason)

    def recovered(self) -> None:
        """See Listener."""
        self._events.emit("journal.recovered", path=self._path)

    def written(self, batch: Batch) -> None:
        """See Listener."""
        if self.removed is not None:
            self.removed(batch.all_removed())
        self._compactor.consider()

    def stuck(self, segment: int) -> None:
        """See Listener."""
        self._compactor.relieve(segment)

    def _closed_with(self, err: OSError | None) -> None:
        if err is not None:
            self.failing(f"{self._path}: cannot be closed properly: {err}")

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError(f"{self._path}: the journal is closed", path=self._path)


async def open_journal(
    folder: Path, config: JournalConfig, events: Events, disk: Disk | None = None
) -> tuple[Journal, Recovered]:
    """The journal in this folder, made if there is none, and what it held.

    Raises JournalDamaged, JournalVersion, JournalInUse, JournalFull, JournalError. Closed by its `close`.
    """
    disk = disk or OsDisk()
    release = await in_turn(partial(disk.claim, folder), config.lock_wait_s)
    try:
        opened = await asyncio.to_thread(begin, disk, folder)
    except OSError as err:
        release()
        raise error_of(folder, err) from err
    except BaseException:
        release()
        raise
    if opened.cut is not None:
        cut = opened.cut
        events.emit("journal.cut", path=cut.file, offset=cut.offset, size_bytes=cut.bytes)
    return Journal(disk, folder, config, events, opened, release), opened.recovered


def _pace(config: JournalConfig) -> Pace:
    every_push = config.sync is Sync.ALWAYS
    return Pace(
        every_push=every_push,
        sync_s=SETTLED_SYNC_S if every_push else config.interval_s,
        segment_bytes=config.segment_bytes,
        reserve_bytes=config.reserve_bytes,
    )
