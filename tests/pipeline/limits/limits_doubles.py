"""What gates stand on, moved by hand: a clock, a lane of some room, a pool of workers, drivers that keep account."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from rrjobs.pipeline.delivery import Delivery, JobDelivery
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.judge import PolicyJudge
from rrjobs.pipeline.outcome import SUCCESS_BODY, Outcome
from rrjobs.pipeline.priority_queue import PriorityQueue
from rrjobs.worker.config import PoolConfig
from rrjobs.worker.scaler import Backlog, Range


class Timer:
    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Clock:
    """Timers fire when `advance` comes past them, in order."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(when, callback))
        return self.timers[-1]

    @property
    def armed(self) -> list[Timer]:
        self.timers = [timer for timer in self.timers if timer.callback]
        return self.timers

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [timer for timer in self.armed if timer.when <= until]:
            first = min(due, key=lambda timer: timer.when)
            self.now = max(self.now, first.when)
            callback, first.callback = first.callback, None
            assert callback is not None
            callback()
        self.now = until


class HandPool:
    """So many workers; what is asked of it is written down."""

    def __init__(self, workers: int, scales: bool = False, **config: Any) -> None:
        self.config = PoolConfig.model_validate({"num_workers": workers, **config})
        self.size = self.target = workers
        self.scales = scales
        self.demands: list[int] = []
        self.borrower: Any = SimpleNamespace(
            worker_free=lambda worker: None,
            progressed=lambda worker, finished, elapsed_s: None,
            short_of_workers=lambda: None,
            swallows=lambda mode: None,
            backlog=lambda: Backlog(0, 0.0, 0),
        )
        self.alive: list[Any] = []

    def lend_to(self, borrower: Any) -> None:
        self.borrower = borrower

    @property
    def range(self) -> Range:
        return Range(self.config.fewest_workers, self.target, "", 0.0)

    def demand(self, waiting: int) -> None:
        self.demands.append(waiting)

    def resize(self, workers: int) -> None:
        self.size = self.target = workers
        self.borrower.worker_free(None)


class HandLane:
    """A sink of some room. `start` is what a worker does: it takes the first and writes it down as begun."""

    def __init__(self, pool: HandPool, name: str = "jobs", room: int = 10**9) -> None:
        self.name = name
        self.pool: Any = pool
        self.room = room
        self.queue: PriorityQueue[JobDelivery] = PriorityQueue()
        self.wakers: list[Callable[[], None]] = []
        self.lent: list[JobDelivery] = []
        self.let_go: Callable[[JobDelivery], None] = lambda delivery: None
        self.begun: Callable[[JobDelivery], None] = lambda delivery: None
        pool.alive = [SimpleNamespace(session=self)]

    @property
    def loads(self) -> list[tuple[JobDelivery, int]]:
        return [(one, 0) for one in self.lent]

    def put(self, delivery: Delivery) -> None:
        raise AssertionError("a queue driver offers")

    def offer(self, delivery: Delivery) -> bool:
        assert isinstance(delivery, JobDelivery)
        if len(self.queue) >= self.room:
            return False
        self.let_go(delivery)
        self.queue.push(delivery.priority, delivery)
        return True

    def when_room(self, wake: Callable[[], None]) -> None:
        self.wakers.append(wake)

    def remove(self, pipeline: str) -> list[Delivery]:
        taken = self.queue.take(lambda delivery: delivery.pipeline == pipeline)
        self._relieved()
        return list(taken)

    def let_age(self, agings: dict[str, float]) -> None: ...

    def start(self) -> JobDelivery | None:
        if not self.queue:
            return None
        delivery = self.queue.pop()
        delivery.encode()
        self.begun(delivery)
        self.lent.append(delivery)
        self._relieved()
        return delivery

    def finish(self, delivery: JobDelivery) -> None:
        self.lent.remove(delivery)
        delivery.answer(0, 0, b"", SUCCESS_BODY)
        delivery.finished()

    def give_back(self, delivery: JobDelivery) -> None:
        """Unstarted on a worker that is gone."""
        self.lent.remove(delivery)
        self.queue.push_front(delivery.priority, (delivery,))

    def _relieved(self) -> None:
        while self.wakers and len(self.queue) < self.room:
            self.wakers.pop(0)()


class HandDriver:
    """Makes deliveries; what became of each is in `settled` and `back`."""

    name = "memory"

    def __init__(self, pipeline: str) -> None:
        self.pipeline = pipeline
        self.judge = PolicyJudge()
        self.settled: list[JobDelivery] = []
        self.back: list[JobDelivery] = []
        self.number = 0

    def delivery(self, priority: int = 10, **headers: str) -> JobDelivery:
        self.number += 1
        kept = {name: [value] for name, value in headers.items()}
        job = Job(f"{self.pipeline}-{self.number}", "ping", b"", self.pipeline, priority, headers=kept)
        return JobDelivery(job, self)

    def settle(self, delivery: JobDelivery, outcome: Outcome) -> None:
        self.settled.append(delivery)

    def take_back(self, delivery: JobDelivery, reason: str) -> None:
        self.back.append(delivery)
