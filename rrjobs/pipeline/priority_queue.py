"""A priority queue: lowest number first, first in first out among equals, constant time per item.

Items of one priority share a deque; a heap of the priorities in use finds the lowest. Priorities are few in practice;
should a program use thousands of different ones, those past MAX_BUCKETS live in one heap with a sequence number.
"""

from collections import deque
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_BUCKETS = 1024
"""An empty deque takes about 600 bytes: this bounds what unusual priorities may cost."""


class PriorityQueue(Generic[T]):
    """Not thread safe; never waits. `size` is for reading.

    The bucket that is emptied last stays: a queue that mostly holds nothing or one item needs no new one each time.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, deque[T]] = {}
        self._priorities: list[int] = []
        self._odd: list[tuple[int, int, T]] = []
        self._sequence = 0
        self._front_sequence = 0
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def push(self, priority: int, item: T) -> None:
        """Behind its equals."""
        bucket = self._buckets.get(priority)
        if bucket is None:
            bucket = self._open(priority)
        if bucket is not None:
            bucket.append(item)
        else:
            self._sequence += 1
            heappush(self._odd, (priority, self._sequence, item))
        self.size += 1

    def push_front(self, priority: int, items: Iterable[T]) -> None:
        """Before its equals, the first of `items` first."""
        for item in reversed(list(items)):
            bucket = None if self._odd else self._buckets.get(priority) or self._open(priority)
            self.size += 1
            if bucket is not None:
                bucket.appendleft(item)
            else:
                self._front_sequence -= 1
                heappush(self._odd, (priority, self._front_sequence, item))

    def peek(self) -> T | None:
        """The item that `pop` would return, or None."""
        if not self.size:
            return None
        if self._odd and self._odd_is_first():
            return self._odd[0][2]
        return self._buckets[self._priorities[0]][0]

    def pop(self) -> T:
        """The first item; raises IndexError when there is none."""
        if not self.size:
            raise IndexError("pop from an empty queue")
        self.size -= 1
        if self._odd and self._odd_is_first():
            return heappop(self._odd)[2]
        priority = self._priorities[0]
        bucket = self._buckets[priority]
        item = bucket.popleft()
        if self.size and not bucket:
            del self._buckets[priority]
            heappop(self._priorities)
        return item

    def take(self, wanted: Callable[[T], bool]) -> list[T]:
        """Remove and return, in order, every item that is wanted. Walks the whole queue."""
        taken: list[tuple[int, int, int, T]] = []
        for entry in [one for one in self._odd if wanted(one[2])]:
            taken.append((entry[0], 0, entry[1], entry[2]))
        if taken:
            self._odd = [one for one in self._odd if not wanted(one[2])]
            heapify(self._odd)
        for priority in list(self._buckets):
            self._take_from(priority, wanted, taken)
        self.size -= len(taken)
        taken.sort(key=lambda one: one[:3])
        return [one[3] for one in taken]

    def _take_from(self, priority: int, wanted: Callable[[T], bool], taken: list[tuple[int, int, int, T]]) -> None:
        bucket = self._buckets[priority]
        kept: deque[T] = deque()
        for place, item in enumerate(bucket):
            if wanted(item):
                taken.append((priority, 1, place, item))
            else:
                kept.append(item)
        if kept:
            self._buckets[priority] = kept
        else:
            del self._buckets[priority]
            self._priorities.remove(priority)
            heapify(self._priorities)

    def _open(self, priority: int) -> deque[T] | None:
        if not self.size:
            self._buckets.clear()
            self._priorities.clear()
        if len(self._buckets) >= MAX_BUCKETS:
            return None
        bucket = self._buckets[priority] = deque()
        heappush(self._priorities, priority)
        return bucket

    def _odd_is_first(self) -> bool:
        """Among equals the odd heap is older: behind a bucket nothing is pushed there, only before it."""
        if not self._odd:
            return False
        return not self._priorities or self._odd[0][0] <= self._priorities[0]
