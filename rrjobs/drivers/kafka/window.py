"""Which records of one partition are settled: what may be committed, and what of it is settled above that.

committed offset        pending   settled above       next to be read
      v                    v            v                   v
 -----[ 17 . settled ][ 18 pending ][ 19..24 settled ]------[ 25

The offset that is committed is the first that is pending. What is settled above it goes into the metadata of the
commit, so that whoever has the partition next does not run it again.
"""

import base64
from bisect import insort
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MOST_METADATA = 4000
"""Bytes that brokers take with a commit are 4096 without a setting of theirs."""

SLACK = 1000
"""Settled offsets that may stay in the list of what arrived."""

_MARK = "rr1:"


class Commit(NamedTuple):
    """The first offset that is not settled, and what is settled from there on."""

    offset: int
    metadata: str


class Window:
    """`next` is what is to be read next. `metadata` is what a former owner said with the offset `begin`.

    Each offset is one of: settled; pending, that is delivered; open, that is to be read (once more) and not settled.
    `dirty`: there is something to commit. `closing`: the partition is going, nothing more is read.
    """

    def __init__(self, topic: str, partition: int, begin: int, metadata: str = "") -> None:
        self.topic = topic
        self.partition = partition
        self.next = begin
        self.closing = False
        self.dirty = False
        found, self._known_to = decode_metadata(metadata)
        self._open = set(found)
        self._pending: set[int] = set()
        self._order: deque[int] = deque()
        self._last_settled = max(begin, self._known_to) - 1

    @property
    def pending(self) -> int:
        """Records that were delivered and are not settled."""
        return len(self._pending)

    def arrive(self, offset: int) -> bool:
        """Read; whether it is to be delivered: not what was settled before, or is delivered already."""
        if offset >= self.next:
            self.next = offset + 1
        if offset < self._known_to:
            if offset not in self._open:
                self.dirty = True
                return False
            self._open.discard(offset)
        if offset in self._pending:
            return False
        self._pending.add(offset)
        if self._order and offset < self._order[-1]:
            insort(self._order, offset)  # read once more, while later ones run
        else:
            self._order.append(offset)
        return True

    def passed(self, position: int) -> None:
        """Everything before this was read; what has not arrived is no record (deleted, the end of a transaction)."""
        if self._open:
            self._open = {offset for offset in self._open if offset >= position}
        if position > self.next:
            self.next = position
            self.dirty = True

    def settle(self, offset: int) -> bool:
        """Done with it; False when it was not pending."""
        if offset not in self._pending:
            return False
        self._pending.discard(offset)
        self._last_settled = max(self._last_settled, offset)
        self.dirty = True
        if len(self._order) > 2 * len(self._pending) + SLACK:
            self._order = deque(one for one in self._order if one in self._pending)
        return True

    def put_back(self, offset: int) -> None:
        """Delivered, and not begun: it is to be read once more."""
        if offset in self._pending:
            self._pending.discard(offset)
            self._open.add(offset)
            self._known_to = max(self._known_to, self.next)

    def put_back_all(self) -> None:
        """The same of all that is pending."""
        for offset in list(self._pending):
            self.put_back(offset)

    def reread(self) -> int:
        """Where reading has to go on so that what is open comes."""
        if self._open:
            self.next = min(self.next, min(self._open))
        self._order = deque(sorted(self._pending))
        return self.next

    def first(self) -> int:
        """The first offset that is not settled."""
        order, pending = self._order, self._pending
        while order and order[0] not in pending:
            order.popleft()
        first = min(self.next, order[0]) if order else self.next
        return min(first, min(self._open)) if self._open else first

    def commit(self) -> Commit:
        """What to tell the broker now."""
        first = self.first()
        end = self._last_settled + 1
        if end <= first:
            return Commit(first, "")
        return Commit(first, encode_metadata(first, end, self._unsettled(end)))

    def settled_above(self) -> int:
        """Settled records above the first that is not."""
        first, end = self.first(), self._last_settled + 1
        return max(0, end - first - sum(1 for _ in self._unsettled(end))) if end > first else 0

    def _unsettled(self, end: int) -> Iterator[int]:
        """Offsets below `end` that are not settled, in order."""
        offsets: Iterable[int] = self._order
        if self._open:
            offsets = sorted(self._pending | self._open)
        for offset in offsets:
            if offset >= end:
                return
            if offset in self._pending or offset in self._open:
                yield offset


def encode_metadata(first: int, end: int, unsettled: Iterator[int]) -> str:
    """All from `first` to `end` is settled but these. Cut short where it would be too long: the rest counts as not."""
    body = bytearray()
    last = first
    closed = end
    for offset in unsettled:
        step = _varint(offset - last)
        if len(body) + len(step) > MOST_METADATA * 3 // 4 - 40:
            closed = offset
            break
        body += step
        last = offset
    head = _varint(first) + _varint(closed - first)
    return _MARK + base64.b64encode(head + body).decode()


def decode_metadata(text: str) -> tuple[frozenset[int], int]:
    """Offsets that are not settled, and the first above all that is known; what is not ours says nothing."""
    if not text.startswith(_MARK):
        return frozenset(), 0
    try:
        numbers = list(_numbers(base64.b64decode(text[len(_MARK) :], validate=True)))
        first, length, *steps = numbers
    except ValueError:
        return frozenset(), 0
    unsettled = set()
    last = first
    for step in steps:
        last += step
        unsettled.add(last)
    return frozenset(unsettled), first + length


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _numbers(body: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in body:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("it ends within a number")
