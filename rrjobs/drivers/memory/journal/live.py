"""Which entries are live, and in which segment each one's bytes stand.

An entry's place is one integer, segment id << 40 | kind << 32 | payload length: a million waiting jobs cost two numbers
each. All of it belongs to the event loop's thread.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rrjobs.drivers.memory.journal.batch import Group
from rrjobs.drivers.memory.journal.codec import PUT_BYTES
from rrjobs.drivers.memory.journal.layout import HEADER_BYTES
from rrjobs.errors import EntryGone

SEGMENT_SHIFT = 40
KIND_SHIFT = 32
LENGTH_MASK = 2**32 - 1


@dataclass(slots=True)
class Segment:
    """`size`: bytes that count, those on their way included; `entries`: live ones whose bytes stand here."""

    id: int
    size: int
    entries: int = 0


class Live:
    """The index of live entries, the segments by id and in order, the sums that limits and compaction look at."""

    def __init__(self, places: dict[int, int], segments: dict[int, Segment], next_number: int) -> None:
        self.places = places
        self.segments = segments
        self.next_number = next_number
        self.payload_bytes = 0
        self.disk_bytes = sum(segment.size for segment in segments.values())
        for place in places.values():
            self.payload_bytes += place & LENGTH_MASK
            segments[place >> SEGMENT_SHIFT].entries += 1

    @property
    def oldest(self) -> Segment:
        """The first segment."""
        return next(iter(self.segments.values()))

    @property
    def newest(self) -> Segment:
        """The last one."""
        return next(reversed(self.segments.values()))

    def begin_segment(self) -> Segment:
        """Behind the newest."""
        segment = Segment(self.newest.id + 1, 0)
        self.segments[segment.id] = segment
        self.resize(segment, HEADER_BYTES)
        return segment

    def end_segment(self, segment: Segment) -> None:
        """Its file is gone."""
        self.resize(segment, 0)
        del self.segments[segment.id]

    def resize(self, segment: Segment, size: int) -> None:
        """So many bytes of it count."""
        self.disk_bytes += size - segment.size
        segment.size = size

    @property
    def entry_bytes(self) -> int:
        """What the live entries would take in the tightest form."""
        return self.payload_bytes + PUT_BYTES * len(self.places)

    def take(self, count: int) -> int:
        """See Numbers."""
        first = self.next_number
        self.next_number = first + count
        return first

    def apply(self, group: Group, segment: Segment) -> None:
        """Count its changes from now on. Raises EntryGone, and changes nothing, when it touches what is not live."""
        if group.replaced or group.removed:
            self._remember(group)
        for number in group.replaced:
            self._drop(number)
        lengths = list(map(len, group.payloads))
        self.places.update(zip(group.numbers, _places(segment.id, group.kinds, lengths), strict=True))
        segment.entries += len(lengths)
        self.payload_bytes += sum(lengths)
        self.remove(group.removed)

    def remove(self, numbers: Sequence[int]) -> None:
        """They are no longer live. Raises EntryGone, and changes nothing, when one of them was not."""
        if not numbers:
            return
        pop = self.places.pop
        found = [pop(number, -1) for number in numbers]
        oldest, newest = min(found), max(found)
        if oldest < 0:
            self.places.update((number, place) for number, place in zip(numbers, found, strict=True) if place >= 0)
            raise EntryGone(numbers[found.index(-1)])
        if oldest >> SEGMENT_SHIFT == newest >> SEGMENT_SHIFT:
            self.segments[newest >> SEGMENT_SHIFT].entries -= len(found)
        else:
            for place in found:
                self.segments[place >> SEGMENT_SHIFT].entries -= 1
        self.payload_bytes -= sum([place & LENGTH_MASK for place in found])

    def remove_one(self, number: int) -> None:
        """As `remove`."""
        place = self.places.pop(number, -1)
        if place < 0:
            raise EntryGone(number)
        self.segments[place >> SEGMENT_SHIFT].entries -= 1
        self.payload_bytes -= place & LENGTH_MASK

    def undo(self, group: Group) -> None:
        """A group that was applied will never be on disk: all as before it."""
        for number in group.numbers:
            if number in self.places:
                self._drop(number)
        for number, place in group.before.items():
            self.places[number] = place
            self.segments[place >> SEGMENT_SHIFT].entries += 1
            self.payload_bytes += place & LENGTH_MASK

    def move(self, numbers: Iterable[int], old: Segment, new: Segment) -> None:
        """The bytes of these will stand in another segment."""
        places = self.places
        for number in numbers:
            place = places.get(number, -1)
            if place >> SEGMENT_SHIFT == old.id:
                places[number] = place + (new.id - old.id << SEGMENT_SHIFT)
                old.entries -= 1
                new.entries += 1

    def _remember(self, group: Group) -> None:
        """Note what the group changes; all of it must be live, or come with the group."""
        places = self.places
        fresh = set(group.numbers).difference(group.replaced)
        for number in group.replaced:
            if number not in places:
                raise EntryGone(number)
        for number in group.removed:
            if number not in places and number not in fresh:
                raise EntryGone(number)
        for numbers in (group.replaced, group.removed):
            if len(set(numbers)) != len(numbers):
                raise ValueError("a group replaces or removes an entry twice")
        group.before = {number: places[number] for number in (*group.replaced, *group.removed) if number in places}

    def _drop(self, number: int) -> None:
        place = self.places.pop(number)
        self.segments[place >> SEGMENT_SHIFT].entries -= 1
        self.payload_bytes -= place & LENGTH_MASK


def _places(segment: int, kinds: bytearray, lengths: list[int]) -> list[int]:
    base = segment << SEGMENT_SHIFT
    if kinds.count(kinds[:1]) == len(lengths):
        base |= kinds[0] << KIND_SHIFT if kinds else 0
        return [base + length for length in lengths]
    return [base + (kind << KIND_SHIFT) + length for kind, length in zip(kinds, lengths, strict=True)]
