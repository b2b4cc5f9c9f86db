"""Doubles of what the driver stands on: a virtual clock, and a sink that a test empties by hand."""

from collections.abc import Callable

from rrjobs.pipeline.delivery import Delivery, JobDelivery
from rrjobs.pipeline.priority_queue import PriorityQueue


class Timer:
    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """What the driver uses of the event loop; `advance` runs what falls due, in order."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []
        self.soon: list[Callable[[], None]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        assert when <= self.now + 24 * 3600
        self.timers.append(Timer(when, callback))
        return self.timers[-1]

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def settle_down(self) -> None:
        while self.soon:
            self.soon.pop(0)()

    def armed(self) -> list[Timer]:
        self.timers = [timer for timer in self.timers if timer.callback]
        return self.timers

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        self.settle_down()
        while due := [timer for timer in self.armed() if timer.when <= until]:
            first = min(due, key=lambda timer: timer.when)
            self.now = max(self.now, first.when)
            callback, first.callback = first.callback, None
            callback()
            self.settle_down()
        self.now = until


class HandSink:
    """A sink of some capacity; `take` is what a worker would do."""

    def __init__(self, capacity: int = 10**9) -> None:
        self.capacity = capacity
        self.queue: PriorityQueue[JobDelivery] = PriorityQueue()
        self.wakers: list[Callable[[], None]] = []
        self.offered: list[str] = []

    def put(self, delivery: Delivery) -> None:
        raise AssertionError("a queue driver offers")

    def offer(self, delivery: Delivery) -> bool:
        assert isinstance(delivery, JobDelivery)
        if len(self.queue) >= self.capacity:
            return False
        self.queue.push(delivery.priority, delivery)
        self.offered.append(delivery.ident)
        return True

    def when_room(self, wake: Callable[[], None]) -> None:
        self.wakers.append(wake)

    def remove(self, pipeline: str) -> list[Delivery]:
        taken = self.queue.take(lambda delivery: delivery.pipeline == pipeline)
        self.wake()
        return list(taken)

    def take(self) -> JobDelivery:
        delivery = self.queue.pop()
        self.wake()
        return delivery

    def drop_all(self) -> None:
        """As a draining lane does it: last first."""
        self.capacity = 0
        for delivery in reversed(self.queue.take(lambda delivery: True)):
            delivery.dropped("drain")

    def wake(self) -> None:
        room = self.capacity - len(self.queue)
        wakers, self.wakers = self.wakers[: max(0, room)], self.wakers[max(0, room) :]
        for waker in wakers:
            waker()
