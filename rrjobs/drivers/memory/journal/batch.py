"""Changes on their way to the disk: groups, each whole or not at all, and the batch that carries many in one record."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Protocol

from rrjobs.drivers.memory.journal.codec import HEAD_BYTES, PUT_BYTES, REMOVED_BYTES


class Numbers(Protocol):
    """Who gives out the numbers of entries."""

    def take(self, count: int) -> int:
        """The first of `count` numbers that nobody had before."""
        ...


class Group:
    """Changes that are recovered together or not at all; filled by one caller, then handed to the journal once.

    A number is given at once and stays unused for ever when the group never reaches the disk.
    """

    __slots__ = ("_source", "before", "kinds", "numbers", "payloads", "removed", "replaced", "size", "then", "waiter")

    def __init__(self, source: Numbers) -> None:
        self._source = source
        self.numbers: list[int] = []
        self.kinds = bytearray()
        self.payloads: list[bytes] = []
        self.replaced: list[int] = []
        self.removed: list[int] = []
        self.size = 0
        self.before: dict[int, int] = {}
        self.waiter: asyncio.Future[None] | None = None
        self.then: Callable[[bool], None] | None = None

    def add(self, kind: int, payload: bytes) -> int:
        """A new entry; its number is above all earlier ones."""
        number = self._source.take(1)
        self._put(number, kind, payload)
        return number

    def add_all(self, kind: int, payloads: Sequence[bytes]) -> list[int]:
        """Several, numbered in their order."""
        if len(payloads) == 1:
            return [self.add(kind, payloads[0])]
        first = self._source.take(len(payloads))
        numbers = list(range(first, first + len(payloads)))  # once: whoever keeps one keeps the same object
        self.numbers += numbers
        self.kinds += bytes((kind,)) * len(payloads)
        self.payloads += payloads
        self.size += PUT_BYTES * len(payloads) + sum(map(len, payloads))
        return numbers

    def replace(self, number: int, kind: int, payload: bytes) -> None:
        """Another content for a live entry, which keeps its number and so its place."""
        self.replaced.append(number)
        self._put(number, kind, payload)

    def copy(self, number: int, kind: int, payload: bytes) -> None:
        """The content that a live entry has anyway, written once more."""
        self._put(number, kind, payload)

    def remove(self, *numbers: int) -> None:
        """Live entries that end with this group."""
        self.removed += numbers
        self.size += REMOVED_BYTES * len(numbers)

    def _put(self, number: int, kind: int, payload: bytes) -> None:
        self.kinds.append(kind)
        self.numbers.append(number)
        self.payloads.append(payload)
        self.size += PUT_BYTES + len(payload)


class Batch:
    """What becomes one record: groups, and removals nobody waits for."""

    __slots__ = ("groups", "removed", "segment", "size", "sync", "unplaced", "urgent")

    def __init__(self, segment: int) -> None:
        """`segment`: the id of the one it will stand in. `urgent`: somebody waits; `sync`: until it is on disk.

        `unplaced`: of the groups that are awaited, those which the index does not know yet.
        """
        self.segment = segment
        self.groups: list[Group] = []
        self.removed: list[int] = []
        self.unplaced: list[Group] = []
        self.size = 0
        self.urgent = False
        self.sync = False

    @property
    def empty(self) -> bool:
        """Nothing of it has to be written."""
        return not self.removed and not self.size

    @property
    def record_bytes(self) -> int:
        """The length of its record."""
        return 0 if self.empty else HEAD_BYTES + self.size + REMOVED_BYTES * len(self.removed)

    @property
    def refusable(self) -> bool:
        """Somebody who can be told so wants to add to what the disk holds."""
        return any(group.waiter is not None and group.numbers for group in self.groups)

    def append(self, group: Group) -> None:
        """Behind what is in it."""
        self.groups.append(group)
        self.size += group.size

    def give_up(self) -> list[Group]:
        """Take out what somebody waits for, last first."""
        awaited = [group for group in reversed(self.groups) if group.waiter is not None]
        self.groups = [group for group in self.groups if group.waiter is None]
        self.size = sum(group.size for group in self.groups)
        self.urgent = self.sync = False
        self.unplaced = []
        return awaited

    def columns(self) -> tuple[list[int], bytes | bytearray, list[bytes], list[int]]:
        """Numbers, kinds and payloads of all puts, and all removed numbers: what a record is made of."""
        groups = self.groups
        if len(groups) == 1 and not self.removed:
            one = groups[0]
            return one.numbers, one.kinds, one.payloads, one.removed
        numbers = list(self.numbers())
        payloads = list(chain.from_iterable([group.payloads for group in groups]))
        removed = list(self.all_removed())
        return numbers, b"".join([group.kinds for group in groups]), payloads, removed

    def all_removed(self) -> Iterator[int]:
        """Numbers that end with it."""
        return chain(chain.from_iterable([group.removed for group in self.groups]), self.removed)

    def numbers(self) -> Iterator[int]:
        """Of all puts."""
        return chain.from_iterable([group.numbers for group in self.groups])
