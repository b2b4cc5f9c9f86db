"""Which pool serves a job: the pipeline's, unless the job's `pool` header names another (spec/jobs-and-rpc.md 3.1)."""

from collections.abc import Callable

from rrjobs.pipeline.delivery import Delivery, JobDelivery
from rrjobs.pipeline.driver import Sink
from rrjobs.pipeline.job import NO_HEADERS
from rrjobs.worker.load import Fault, FaultKind

POOL_HEADER = "pool"

Sinks = Callable[[str | None], Sink]
"""The way into the queue for a named pool, or for the default one; KeyError when there is no such pool."""


class LanedSink:
    """A pipeline's sink where there are several pools; `default` is None when the pipeline names no pool.

    A job for a pool that does not exist fails: it would wait for ever.
    """

    def __init__(self, default: Sink | None, sinks: Sinks) -> None:
        self._default = default
        self._sinks = sinks
        self._used: dict[str | None, Sink] = {} if default is None else {None: default}
        self._full: Sink | None = None

    def put(self, delivery: Delivery) -> None:
        """See Sink."""
        sink = self._lane(delivery)
        if sink is not None:
            sink.put(delivery)

    def offer(self, delivery: Delivery) -> bool:
        """See Sink; True also for one that failed for want of its pool."""
        sink = self._lane(delivery)
        if sink is None or sink.offer(delivery):
            return True
        self._full = sink
        return False

    def when_room(self, wake: Callable[[], None]) -> None:
        """Room in the lane that last refused."""
        if self._full is not None:
            self._full.when_room(wake)

    def remove(self, pipeline: str) -> list[Delivery]:
        """See Sink; out of every lane that was used."""
        return [delivery for sink in self._used.values() for delivery in sink.remove(pipeline)]

    def _lane(self, delivery: Delivery) -> Sink | None:
        name = pool_of(delivery)
        if name is None and self._default is not None:
            return self._default
        if name not in self._used:
            try:
                self._used[name] = self._sinks(name)
            except KeyError:
                wanted = "the pipeline names no pool" if name is None else f"there is no pool {name!r}"
                delivery.failed(Fault(FaultKind.ERROR, f"{wanted} of jobs.pools"))
                return None
        return self._used[name]


def pool_of(delivery: Delivery) -> str | None:
    """The pool that this job names itself."""
    if not isinstance(delivery, JobDelivery) or delivery.job.headers is NO_HEADERS:
        return None
    values = delivery.job.headers.get(POOL_HEADER)
    return values[0] if values else None
