"""Gives the room of dead entries back while the journal runs.

The oldest segment's live entries are written again at the end, and its file is removed. It begins when the segments
hold more than twice what the live entries need, and some more: so every byte that is written again stands for a byte of
garbage that goes. Always the oldest: what a removal ended then never outlives the removal.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from rrjobs.drivers.memory.journal.batch import Group
from rrjobs.drivers.memory.journal.codec import records
from rrjobs.drivers.memory.journal.committer import Committer
from rrjobs.drivers.memory.journal.disk import Disk
from rrjobs.drivers.memory.journal.layout import HEADER_BYTES, decode_header, segment_name
from rrjobs.drivers.memory.journal.live import KIND_SHIFT, SEGMENT_SHIFT, Live, Segment
from rrjobs.drivers.memory.journal.recovery import KIND_MASK
from rrjobs.errors import RRJobsError

TIDY_S = 1.0
TIDY_BYTES = 256 * 1024
"""So much garbage may lie for ever, or a segment if that is less; more goes within about `TIDY_S`."""
BITE = 500
"""Entries that are looked at again in one turn of the event loop."""
BREATH_RECORDS = 100
BREATH_S = 0.00005
"""Reading a segment of small records is work for the interpreter: the event loop gets its turn in between."""

Place = tuple[int, int, int]
"""Number of an entry, where its payload begins in the segment's file, and how long it is."""


class Compactor:
    """One run at a time, as a task of its own; `close` before the committer is closed."""

    def __init__(
        self, disk: Disk, folder: Path, live: Live, committer: Committer, slack: int, failed: Callable[[str], None]
    ) -> None:
        """`slack`: garbage that is not worth a run while there is much to do."""
        self._disk = disk
        self._folder = folder
        self._live = live
        self._committer = committer
        self._slack = slack
        self._tidy_bytes = min(TIDY_BYTES, slack)
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def consider(self) -> None:
        """Called after every batch: begin a run, or see to it later, or leave it."""
        if self._task is not None or self._closed:
            return
        garbage = self._garbage()
        if garbage > self._slack:
            self._start(self._run())
        elif garbage > self._tidy_bytes and self._timer is None:
            self._timer = self._loop.call_later(TIDY_S, self._tidy)

    def relieve(self, last: int) -> None:
        """Removals cannot be written: remove the files before `last` that hold nothing else than what was removed.

        That writes nothing, and makes room on a disk that the journal itself has filled. Only while no put waits for
        the disk: of a group that ends one entry and adds another, the end must not be on disk alone.
        """
        if self._task is None and not self._closed:
            dead = list(takewhile(lambda one: one.id < last and not one.entries, self._live.segments.values()))
            if dead:
                self._start(self._drop(dead))

    async def close(self) -> None:
        """Let the run that is going on finish its segment: a thread may be at its file."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await asyncio.wait((self._task,))

    def _garbage(self) -> int:
        return self._live.disk_bytes - 2 * self._live.entry_bytes - HEADER_BYTES

    def _tidy(self) -> None:
        self._timer = None
        if self._task is None and self._garbage() > self._tidy_bytes:
            self._start(self._run())

    def _start(self, run: Coroutine[None, None, None]) -> None:
        self._task = self._loop.create_task(run)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():  # as by a loop that is shut down
            task.result()

    async def _drop(self, dead: list[Segment]) -> None:
        try:
            for segment in dead:
                await self._remove(segment)
        except OSError as err:
            self._failed(f"{self._folder}: cannot remove files: {err}")

    async def _run(self) -> None:
        try:
            while self._garbage() > self._tidy_bytes and not self._closed:
                await self._free(self._live.oldest)
        except (OSError, RRJobsError) as err:
            self._failed(f"{self._folder}: cannot compact: {err}")

    async def _free(self, oldest: Segment) -> None:
        """Raises JournalError, OSError; then the segment stays, and what was written again of it is garbage too."""
        if oldest is self._committer.current:
            self._committer.rotate()
        await self._committer.barrier()  # all of it can be read
        while oldest.entries:
            await self._carry(oldest)
        await self._committer.barrier()  # what has ended or moved the last of them, were it only just now, is on disk
        await self._remove(oldest)

    async def _carry(self, oldest: Segment) -> None:
        path = self._folder / segment_name(oldest.id)
        data, found = await asyncio.to_thread(self._read, path, oldest)
        for begin in range(0, len(found), BITE):
            group = Group(self._live)
            for number, at, length in found[begin : begin + BITE]:
                place = self._live.places.get(number, -1)
                if place >> SEGMENT_SHIFT == oldest.id:
                    group.copy(number, place >> KIND_SHIFT & KIND_MASK, data[at : at + length])
            self._committer.carry(group, oldest)
            await asyncio.sleep(0)

    def _read(self, path: Path, oldest: Segment) -> tuple[bytes, list[Place]]:
        """In a thread: the entries that seem to be live. The index is only looked at, and looked at again later."""
        data = self._disk.read(path)
        places = self._live.places
        latest: dict[int, Place] = {}
        count = 0
        for record in records(data, decode_header(data).seed, HEADER_BYTES, oldest.size):
            at = record.payload_at
            for number, length in zip(record.numbers, record.lengths, strict=True):
                if places.get(number, -1) >> SEGMENT_SHIFT == oldest.id:
                    latest[number] = (number, at, length)
                at += length
            count += 1 + len(record.numbers) // 8
            if count > BREATH_RECORDS:
                count = 0
                time.sleep(BREATH_S)
        return data, list(latest.values())

    async def _remove(self, oldest: Segment) -> None:
        await asyncio.to_thread(self._unlink, self._folder / segment_name(oldest.id))
        self._live.end_segment(oldest)

    def _unlink(self, path: Path) -> None:
        """On disk before the next one is removed: a gap in the middle would look like damage."""
        with suppress(FileNotFoundError):  # gone in an attempt whose folder sync failed
            self._disk.unlink(path)
        self._disk.sync_folder(self._folder)
