"""A file of slots that is written in place: a slot is set at once, neighbours go to the kernel in one write.

One slot of 16 bytes, little endian: number u64 | value u64. A kill finds each slot as it was or as it was set, and the
disk has it about `SYNC_S` later. What cannot be written is told once.
"""

import asyncio
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from struct import Struct

from rrjobs.drivers.memory.journal.disk import Disk

SYNC_S = 1.0
NEAR = 8
"""Slots between two changed ones that are written along: a write costs as much as a hundred of them."""
_SLOT = Struct("<QQ")
SLOT_BYTES = _SLOT.size


class NoteFile:
    """`open` and `begin` block, the rest is the event loop's. `failed` is told why nothing can be written."""

    def __init__(self, disk: Disk, path: Path, failed: Callable[[str], None]) -> None:
        self._disk = disk
        self._path = path
        self._failed = failed
        self._fd = -1
        self._words = array("Q")
        self._changed: list[int] = []
        self._well = True
        self._timer: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Future[None] | None = None

    @property
    def usable(self) -> bool:
        """Whether it is open."""
        return self._fd >= 0

    def open(self) -> bytes:
        """What it held; nothing when that cannot be read or there was no file."""
        found = b""
        try:
            with suppress(FileNotFoundError):
                found = self._disk.read(self._path)
            self._fd = self._opened()
        except OSError as err:
            self._trouble(err)
        return found

    def begin(self, slots: int) -> None:
        """So many empty slots and nothing else, on disk."""
        self._words = array("Q", bytes(slots * SLOT_BYTES))
        try:
            self._disk.truncate(self._fd, 0)
            self._write_all(0, bytes(slots * SLOT_BYTES))
            self._disk.fdatasync(self._fd)
            self._disk.sync_folder(self._path.parent)
        except OSError as err:
            self._trouble(err)
            with suppress(OSError):
                self._disk.truncate(self._fd, 0)

    def put_one(self, slot: int, number: int, value: int) -> None:
        """As `put`."""
        at = 2 * slot
        if at >= len(self._words):
            self._words.extend(array("Q", bytes(8 * (at + 2 - len(self._words)))))
        self._words[at] = number
        self._words[at + 1] = value
        self._changed.append(slot)

    def put(self, slots: list[int], numbers: Sequence[int], values: Sequence[int]) -> None:
        """Set these slots, any behind the last one too; they are with the kernel after the next `write`."""
        words, first, count = self._words, slots[0], len(slots)
        missing = 2 * max(slots) + 2 - len(words)
        if missing > 0:
            words.extend(array("Q", bytes(8 * missing)))
        if slots[-1] - first == count - 1 and slots == list(range(first, first + count)):
            words[2 * first : 2 * (first + count) : 2] = array("Q", numbers)
            words[2 * first + 1 : 2 * (first + count) : 2] = array("Q", values)
        else:
            for slot, number, value in zip(slots, numbers, values, strict=True):
                words[2 * slot], words[2 * slot + 1] = number, value
        self._changed += slots

    def write(self) -> None:
        """To the kernel with all that was set."""
        changed = self._changed
        if not changed or self._fd < 0:
            return
        self._changed = []
        first, last = min(changed), max(changed)
        if last - first <= len(changed) + NEAR:
            written = self._write(first, last)
        elif len(changed) == 2:
            written = self._write(first, first) | self._write(last, last)
        else:
            written = sum([self._write(*run) for run in _neighbours(changed)]) > 0
        if written and self._timer is None:
            self._well = True
            self._timer = asyncio.get_running_loop().call_later(SYNC_S, self._sync)

    async def close(self) -> None:
        """Safe twice."""
        fd, self._fd = self._fd, -1
        if self._timer is not None:
            self._timer.cancel()
        if self._syncing is not None:
            await asyncio.wait((self._syncing,))
        if fd >= 0:
            with suppress(OSError):
                self._disk.close(fd)

    def _opened(self) -> int:
        try:
            return self._disk.open(self._path)
        except FileNotFoundError:
            return self._disk.create(self._path)

    def _write(self, first: int, last: int) -> bool:
        words = self._words[2 * first : 2 * last + 2]
        if sys.byteorder == "big":
            words.byteswap()
        try:
            data, offset = words.tobytes(), first * SLOT_BYTES
            taken = self._disk.write(self._fd, data, offset)
            if taken < len(data):
                self._write_all(offset + taken, data[taken:])
        except OSError as err:
            self._trouble(err)
            return False
        return True

    def _write_all(self, offset: int, data: bytes) -> None:
        while data:
            taken = self._disk.write(self._fd, data, offset)
            data, offset = data[taken:], offset + taken

    def _sync(self) -> None:
        """What is written from now on may not be on disk with it, and starts a timer of its own."""
        self._timer = None
        loop = asyncio.get_running_loop()
        if self._syncing is not None:
            self._timer = loop.call_later(SYNC_S, self._sync)
            return
        self._syncing = loop.run_in_executor(None, self._disk.fdatasync, self._fd)
        self._syncing.add_done_callback(self._synced)

    def _synced(self, done: "asyncio.Future[None]") -> None:
        self._syncing = None
        if not done.cancelled() and isinstance(err := done.exception(), OSError):
            self._trouble(err)

    def _trouble(self, err: OSError) -> None:
        if self._well:
            self._well = False
            self._failed(f"{self._path}: cannot note which jobs run: {err}; after a kill they keep their attempt")


def slots_of(data: bytes) -> Iterable[tuple[int, int]]:
    """Number and value of each."""
    return _SLOT.iter_unpack(data[: len(data) - len(data) % SLOT_BYTES])


def _neighbours(slots: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of slots, not far from one to the next."""
    slots.sort()
    first = last = slots[0]
    for slot in slots:
        if slot > last + NEAR:
            yield first, last
            first = slot
        last = slot
    yield first, last
