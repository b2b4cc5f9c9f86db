"""What waits in one lane, counted against the capacity that all lanes share."""

from collections.abc import Callable

from rrjobs.pipeline.capacity import Capacity
from rrjobs.pipeline.delivery import Delivery
from rrjobs.pipeline.oldest import Oldest
from rrjobs.pipeline.priority_queue import PriorityQueue


class LaneQueue(PriorityQueue[Delivery]):
    """Deliveries in order of priority. Those that nobody wants any more leave unseen when their turn comes."""

    def __init__(self, capacity: Capacity, oldest: Oldest | None) -> None:
        """`oldest` is told who comes and goes, where somebody asks for how long they wait."""
        super().__init__()
        self._capacity = capacity
        self._oldest = oldest

    @property
    def full(self) -> bool:
        """Whether the lanes together hold what they may."""
        return self._capacity.waiting >= self._capacity.limit

    def add(self, delivery: Delivery) -> None:
        """Behind its equals; the caller asked whether it is `full`, or may exceed that."""
        self.push(delivery.priority, delivery)
        self._capacity.waiting += 1
        if self._oldest is not None:
            self._oldest.came()

    def put_back(self, delivery: Delivery) -> None:
        """Before its equals: it was here already."""
        self.push_front(delivery.priority, (delivery,))
        self._capacity.waiting += 1
        if self._oldest is not None:
            self._oldest.came()

    def first(self) -> Delivery | None:
        """The one whose turn it is; it stays."""
        while (delivery := self.peek()) is not None and delivery.cancelled:
            self.leave()
        return delivery

    def leave(self) -> None:
        """Take out what `first` returned."""
        self.pop()
        self._left(1)

    def next(self) -> Delivery | None:
        """Take out the one whose turn it is."""
        while self.size:
            delivery = self.pop()
            self._left(1)
            if not delivery.cancelled:
                return delivery
        return None

    def take(self, wanted: Callable[[Delivery], bool]) -> list[Delivery]:
        """Take out, in order, every delivery that is wanted."""
        taken = super().take(wanted)
        self._left(len(taken))
        return taken

    def move_to(self, other: "LaneQueue") -> None:
        """All of it, to a queue that takes the place of this one: nobody has come or gone."""
        for delivery in super().take(lambda delivery: True):
            other.push(delivery.priority, delivery)

    def _left(self, number: int) -> None:
        capacity = self._capacity
        capacity.waiting -= number
        if self._oldest is not None:
            self._oldest.left(number, self.size)
        if capacity.wakers:
            capacity.release()
