"""The priority queue of a lane where waiting counts for some pipelines.

Deliveries of a pipeline with `aging_s` are ordered by the moment they began to wait plus `aging_s` for each priority:
an order that never changes, in which who waits overtakes who came later with a better priority. Between pipelines, and
with those where waiting does not count, the effective priority of the moment decides:

    priority - seconds waited / aging_s        and among equals the one that has waited
"""

import time
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush

from rrjobs.pipeline.delivery import Delivery
from rrjobs.pipeline.priority_queue import PriorityQueue

_Entry = tuple[float, int, Delivery]


class AgingQueue(PriorityQueue[Delivery]):
    """See PriorityQueue. `agings`: pipelines where waiting counts, and `aging_s`. `pop` takes what `peek` has shown."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.agings: dict[str, float] = {}
        self._clock = clock
        self._still: PriorityQueue[Delivery] = PriorityQueue()
        self._heaps: dict[float, list[_Entry]] = {}
        self._number = 0
        self._front = 0
        self._looked = False
        self._chosen: float | None = None

    def push(self, priority: int, item: Delivery) -> None:
        """See PriorityQueue."""
        self.size += 1
        self._looked = False
        aging_s = self.agings.get(item.pipeline)
        if aging_s is None:
            self._still.push(priority, item)
        else:
            self._number += 1
            self._add(priority, item, aging_s, self._number)

    def push_front(self, priority: int, items: Iterable[Delivery]) -> None:
        """See PriorityQueue."""
        self._looked = False
        for item in reversed(list(items)):
            self.size += 1
            aging_s = self.agings.get(item.pipeline)
            if aging_s is None:
                self._still.push_front(priority, (item,))
            else:
                self._front -= 1
                self._add(priority, item, aging_s, self._front)

    def peek(self) -> Delivery | None:
        """See PriorityQueue."""
        first = self._still.peek()
        self._looked, self._chosen = True, None
        if not self._heaps:
            return first
        now = self._clock()
        chosen = min(self._heaps, key=lambda aging_s: self._effective(aging_s, now))
        if first is not None and first.priority < self._effective(chosen, now):
            return first
        self._chosen = chosen
        return self._heaps[chosen][0][2]

    def pop(self) -> Delivery:
        """See PriorityQueue."""
        if not self._looked:
            self.peek()
        chosen, self._looked = self._chosen, False
        if chosen is None:
            item = self._still.pop()
        else:
            heap = self._heaps[chosen]
            item = heappop(heap)[2]
            if not heap:
                del self._heaps[chosen]
        self.size -= 1
        return item

    def take(self, wanted: Callable[[Delivery], bool]) -> list[Delivery]:
        """See PriorityQueue; by priority as they were pushed, those for which waiting counts first among equals."""
        self._looked = False
        aged: list[_Entry] = []
        for aging_s, heap in list(self._heaps.items()):
            aged += [entry for entry in heap if wanted(entry[2])]
            kept = [entry for entry in heap if not wanted(entry[2])]
            if kept:
                heapify(kept)
                self._heaps[aging_s] = kept
            else:
                del self._heaps[aging_s]
        aged.sort(key=lambda entry: entry[:2])
        taken = [entry[2] for entry in aged] + self._still.take(wanted)
        taken.sort(key=lambda item: item.priority)
        self.size -= len(taken)
        return taken

    def _add(self, priority: int, item: Delivery, aging_s: float, number: int) -> None:
        key = item.waits_since(self._clock) + priority * aging_s
        heappush(self._heaps.setdefault(aging_s, []), (key, number, item))

    def _effective(self, aging_s: float, now: float) -> float:
        return (self._heaps[aging_s][0][0] - now) / aging_s
