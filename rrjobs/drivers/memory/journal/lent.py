"""Which entries a worker has, and which are done, noted in a file beside the segments for whoever comes after a kill.

A slot with number and attempt for each, set before the entry is lent, and once more with the complement of its number
when it is done, which no torn write can look like: so the journal itself may write ends in big batches. A number that
is gone, or that has another attempt by now, says nothing.

`write` takes what was noted to the kernel, so that it outlives the process: half a microsecond, for one note or for
fifty. A note that cannot be written is told once; what it was for may run again, its attempt unchanged.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from rrjobs.drivers.memory.journal.disk import Disk
from rrjobs.drivers.memory.journal.note_file import NoteFile, slots_of

LENT_NAME = "lent"
SLOTS = 256
"""Of a new file; it grows when more entries are lent at once."""
FEW = 8
"""From so many notes on it is cheaper to set them together."""
DONE = 0
"""In place of an attempt, for those who read."""
_ALL_BITS = 2**64 - 1


class Lent:
    """`open` first, blocking, then the rest on the event loop. `failed` is told why notes cannot be kept."""

    def __init__(self, disk: Disk, folder: Path, failed: Callable[[str], None]) -> None:
        self._file = NoteFile(disk, folder / LENT_NAME, failed)
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._unsorted = 0
        self._size = 0
        self.write = self._file.write
        """To the kernel with every note so far."""

    def open(self) -> Mapping[int, int]:
        """What the last process has noted, number to attempt; empty when that cannot be read or there was none."""
        slots = slots_of(self._file.open())
        noted = {number: DONE if value == number ^ _ALL_BITS else value for number, value in slots if value}
        noted.pop(0, None)
        return noted

    def begin(self) -> None:
        """Forget what was read; blocking. What stayed would speak of other entries, should numbers be given anew."""
        if self._file.usable:
            self._free = list(reversed(range(SLOTS)))
            self._size = SLOTS
            self._file.begin(SLOTS)

    def note(self, numbers: Sequence[int], attempts: Sequence[int]) -> None:
        """Workers get them, after the next `write`."""
        slots = self._slots
        if not self._size:
            return
        if len(numbers) < FEW:
            for number, attempt in zip(numbers, attempts, strict=True):
                self._note_one(number, attempt)
            return
        if not slots.keys().isdisjoint(numbers):  # noted, and not lent after all
            fresh = {number: attempt for number, attempt in zip(numbers, attempts, strict=True) if number not in slots}
            numbers, attempts = list(fresh), list(fresh.values())
        if numbers:
            mine = self._take(len(numbers))
            slots.update(zip(numbers, mine, strict=True))
            self._file.put(mine, numbers, attempts)

    def _note_one(self, number: int, attempt: int) -> None:
        if number in self._slots:
            return
        if self._free:
            slot = self._free.pop()
        else:
            slot, self._size = self._size, self._size + 1
        self._slots[number] = slot
        self._file.put_one(slot, number, attempt)

    def done(self, numbers: Sequence[int]) -> None:
        """They were executed; the ends of their entries follow with the journal."""
        get = self._slots.get
        if len(numbers) < FEW:
            for number in numbers:
                slot = get(number, -1)
                if slot >= 0:
                    self._file.put_one(slot, number, number ^ _ALL_BITS)
            return
        slots = [get(number, -1) for number in numbers]
        if -1 in slots:
            numbers = [number for number in numbers if number in self._slots]
            slots = [slot for slot in slots if slot >= 0]
        if slots:
            self._file.put(slots, numbers, [number ^ _ALL_BITS for number in numbers])

    def ended(self, numbers: Iterable[int]) -> None:
        """Their end is in the journal, with the kernel: before that their slots must stay as they are."""
        pop = self._slots.pop
        slots = [pop(number, -1) for number in numbers]
        self._release([slot for slot in slots if slot >= 0])

    def returned(self, number: int) -> None:
        """No worker has started it after all; written."""
        slot = self._slots.pop(number, -1)
        if slot >= 0:
            self._file.put_one(slot, 0, 0)
            self._file.write()
            self._release((slot,))

    async def close(self) -> None:
        """Safe twice."""
        self._size = 0
        await self._file.close()

    def _take(self, count: int) -> list[int]:
        """Free slots, neighbours where there are."""
        free = self._free
        taken = free[-count:]
        del free[-count:]
        taken.reverse()
        missing = count - len(taken)
        if missing:
            taken += range(self._size, self._size + missing)
            self._size += missing
        return taken

    def _release(self, slots: Sequence[int]) -> None:
        """Sorted now and then: what is noted together should be neighbours, near the begin of the file."""
        self._free += slots
        self._unsorted += len(slots)
        if self._unsorted * 4 > len(self._free):
            self._free.sort(reverse=True)
            self._unsorted = 0
