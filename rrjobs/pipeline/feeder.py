"""How the deliveries of a lane get to its workers: what the two ways of feeding have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from rrjobs.pipeline.delivery import Delivery
from rrjobs.pipeline.lane_queue import LaneQueue
from rrjobs.worker.load import Fault, FaultKind
from rrjobs.worker.pool import Pool
from rrjobs.worker.worker import Worker


class Feeder(ABC):
    """Takes from the queue and lends to the pool. Free workers come first, those free longest before others."""

    def __init__(self, queue: LaneQueue, pool: Pool) -> None:
        self._queue = queue
        self._pool = pool
        self.before_next: list[Callable[[], None]] | None = None
        """See Lender: None where each delivery goes out alone."""
        self._idle = pool.idle
        self._take_idle = pool.idle.pop if pool.scales else pool.idle.popleft  # else none would idle for long

    def take_from(self, queue: LaneQueue) -> None:
        """Another queue has taken the place of the one there was, with all that was in it."""
        self._queue = queue

    @abstractmethod
    def came(self, delivery: Delivery) -> None:
        """A new delivery: lend it now or later."""

    @abstractmethod
    def wake(self) -> None:
        """Something was put back into the queue."""

    @abstractmethod
    def worker_free(self, worker: Worker) -> None:
        """It may be lent to: it is lendable and may have more loads before max_jobs."""

    def _lend(self, worker: Worker, delivery: Delivery, frame: bytes) -> None:
        worker.lend_one(delivery, frame)

    def _lend_at_once(self, delivery: Delivery) -> bool:
        """False when nobody of those who were free is so still."""
        while self._idle:
            worker = self._take_idle()
            if worker.lendable and not worker.session.loads:
                try:
                    frame = delivery.encode()
                except ValueError as err:
                    self._idle.append(worker)
                    cannot_be_lent(delivery, err)
                else:
                    self._lend(worker, delivery, frame)
                return True
        return False


def cannot_be_lent(delivery: Delivery, err: ValueError) -> None:
    """It has no frame."""
    delivery.failed(Fault(FaultKind.ERROR, f"cannot be put into a frame: {err}"))
