"""A delivery of a pipeline that survives the death of the server: its store knows when a worker has it."""

from rrjobs.drivers.memory.store import Store
from rrjobs.pipeline.delivery import JobDelivery


class NotedDelivery(JobDelivery):
    """See Delivery. `tag` is the store."""

    __slots__ = ()
    tag: Store

    def encode(self) -> bytes:
        """A worker gets it in this turn of the event loop: noted before."""
        frame = JobDelivery.encode(self)
        lane = self.lane
        self.tag.lent(self.job, self.attempt, None if lane is None else lane.before_next)
        return frame

    def not_lent(self) -> None:
        """See Delivery."""
        self.tag.returned(self.job)
        JobDelivery.not_lent(self)

    def returned(self) -> None:
        """Unstarted, so not lent."""
        self.tag.returned(self.job)
        JobDelivery.returned(self)
