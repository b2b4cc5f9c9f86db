"""The count of a drain: what became of every delivery that was there when it began, by mode.

Nothing new is lent from then on, so the deliveries with the workers are a closed set: each is finished, given back
unstarted by a worker that ended, or cut off together with its worker when the grace period is over.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rrjobs.pipeline.delivery import Delivery
from rrjobs.worker.pool import Pool

STOPPING = "the server is stopping"


@dataclass(frozen=True, slots=True)
class Fates:
    """Deliveries of one mode: answered by their program, well or badly; given back unstarted; cut off."""

    finished: int = 0
    returned: int = 0
    cut_off: int = 0


class Drain:
    """Made when nothing is lent any more. Its numbers are final once the pools have stopped."""

    before_next: list[Callable[[], None]] | None = None
    """See Lender."""

    def __init__(self, pools: Sequence[Pool], queued: Mapping[str, int]) -> None:
        """`queued`: how many were given back out of the queue, by mode."""
        self._pools = pools
        self._queued = Counter(queued)
        self._returned: Counter[str] = Counter()
        self._returned_late: Counter[str] = Counter()
        self._lent = self._with_workers()
        self._left: Counter[str] | None = None
        for worker in (worker for pool in pools for worker in pool.alive):
            for load, _ in worker.session.loads:
                if isinstance(load, Delivery):
                    load.lane = self

    def give_back(self, delivery: Delivery) -> None:
        """See Lender: unstarted on a worker that is gone."""
        (self._returned if self._left is None else self._returned_late)[delivery.mode] += 1
        delivery.dropped(STOPPING)

    def wait_is_over(self) -> None:
        """What the workers have now is cut off or given back."""
        self._left = self._with_workers()

    @property
    def in_time(self) -> bool:
        """Whether the workers had finished everything when the wait was over."""
        return not self._left

    def fates(self, mode: str) -> Fates:
        """What became of the deliveries of one mode."""
        left = self._with_workers() if self._left is None else self._left
        early, late = self._returned[mode], self._returned_late[mode]
        return Fates(
            finished=self._lent[mode] - left[mode] - early,
            returned=self._queued[mode] + early + late,
            cut_off=left[mode] - late,
        )

    def _with_workers(self) -> Counter[str]:
        workers = (worker for pool in self._pools for worker in pool.alive)
        return Counter(load.mode for worker in workers for load, _ in worker.session.loads)
