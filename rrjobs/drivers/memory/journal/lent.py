"""Which entries a worker has, and which are done, noted in a file beside the segments for whoever comes after a kill.

One slot of 16 bytes for each, little endian: number u64 | attempt u64, written in place when the entry is lent, once
more with the complement of its number when it is done, which no torn write can look like: so the journal itself may
write ends in big batches. A number that is gone, or that has another attempt by now, says nothing.

A write goes to the kernel, so that it outlives the process at once; the disk has it about `SYNC_S` later. It costs half
a microsecond. A note that cannot be written is told once; what it was for may run again, its attempt unchanged.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from struct import Struct

from rrjobs.drivers.memory.journal.disk import Disk

LENT_NAME = "lent"
SLOTS = 256
"""Of a new file; it grows when more entries are lent at once."""
SYNC_S = 1.0
DONE = 0
"""In place of an attempt, for those who read."""
_ALL_BITS = 2**64 - 1
_SLOT = Struct("<QQ")
_pack = _SLOT.pack
SLOT_BYTES = _SLOT.size
_EMPTY = bytes(SLOT_BYTES)


class Lent:
    """`open` first, blocking, then the rest on the event loop. `failed` is told why notes cannot be kept."""

    def __init__(self, disk: Disk, folder: Path, failed: Callable[[str], None]) -> None:
        self._disk = disk
        self._path = folder / LENT_NAME
        self._failed = failed
        self._fd = -1
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._size = 0
        self._well = True
        self._dirty = False
        self._timer: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Future[None] | None = None

    def open(self) -> Mapping[int, int]:
        """What the last process has noted, number to attempt; empty when that cannot be read or there was none."""
        noted: dict[int, int] = {}
        try:
            with suppress(FileNotFoundError):
                noted = _read(self._disk.read(self._path))
            self._fd = self._opened()
        except OSError as err:
            self._trouble(err)
        return noted

    def begin(self) -> None:
        """Forget what was read; blocking. What stayed would speak of other entries, should numbers be given anew."""
        if self._fd < 0:
            return
        self._free = list(reversed(range(SLOTS)))
        self._size = SLOTS
        try:
            self._disk.truncate(self._fd, 0)
            self._write(0, bytes(SLOTS * SLOT_BYTES))
            self._disk.fdatasync(self._fd)
            self._disk.sync_folder(self._path.parent)
        except OSError as err:
            self._trouble(err)
            with suppress(OSError):
                self._disk.truncate(self._fd, 0)

    def note(self, number: int, attempt: int) -> None:
        """A worker gets it now."""
        slots = self._slots
        if number in slots or self._fd < 0:
            return
        if self._free:
            slot = self._free.pop()
        else:
            slot, self._size = self._size, self._size + 1
        slots[number] = slot
        self._put(slot, _pack(number, attempt))

    def done(self, number: int) -> None:
        """It was executed; the end of its entry follows with the journal."""
        slot = self._slots.get(number, -1)
        if slot >= 0:
            self._put(slot, _pack(number, number ^ _ALL_BITS))

    def ended(self, numbers: Iterable[int]) -> None:
        """Their end is in the journal, with the kernel: before that their slots must stay as they are."""
        for number in numbers:
            slot = self._slots.pop(number, -1)
            if slot >= 0:
                self._free.append(slot)

    def returned(self, number: int) -> None:
        """No worker has started it after all."""
        slot = self._slots.pop(number, -1)
        if slot >= 0:
            self._free.append(slot)
            self._put(slot, _EMPTY)

    async def close(self) -> None:
        """Safe twice."""
        if self._timer is not None:
            self._timer.cancel()
        if self._syncing is not None:
            await asyncio.wait((self._syncing,))
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                self._disk.close(fd)

    def _opened(self) -> int:
        try:
            return self._disk.open(self._path)
        except FileNotFoundError:
            return self._disk.create(self._path)

    def _put(self, slot: int, data: bytes) -> None:
        if self._fd < 0:
            return
        try:
            if self._disk.write(self._fd, data, slot * SLOT_BYTES) < SLOT_BYTES:
                self._write(slot * SLOT_BYTES, data)
        except OSError as err:
            self._trouble(err)
            return
        if not self._dirty:
            self._dirty = self._well = True
            self._timer = asyncio.get_running_loop().call_later(SYNC_S, self._sync)

    def _write(self, offset: int, data: bytes) -> None:
        left = memoryview(data)
        while left:
            taken = self._disk.write(self._fd, left, offset)
            left, offset = left[taken:], offset + taken

    def _sync(self) -> None:
        self._timer = None
        self._syncing = asyncio.get_running_loop().run_in_executor(None, self._disk.fdatasync, self._fd)
        self._syncing.add_done_callback(self._synced)

    def _synced(self, done: "asyncio.Future[None]") -> None:
        self._syncing, self._dirty = None, False
        if not done.cancelled() and isinstance(err := done.exception(), OSError):
            self._trouble(err)

    def _trouble(self, err: OSError) -> None:
        if self._well:
            self._well = False
            self._failed(f"{self._path}: cannot note which jobs run: {err}; after a kill they keep their attempt")


def _read(data: bytes) -> dict[int, int]:
    whole = len(data) - len(data) % SLOT_BYTES
    slots = _SLOT.iter_unpack(data[:whole])
    noted = {number: DONE if value == number ^ _ALL_BITS else value for number, value in slots if value}
    noted.pop(0, None)
    return noted
