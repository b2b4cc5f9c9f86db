"""What waits in a lane where waiting counts for some pipelines."""

from rrjobs.pipeline.capacity import Capacity
from rrjobs.pipeline.lane_queue import LaneQueue
from rrjobs.pipeline.limits.aging_queue import AgingQueue
from rrjobs.pipeline.oldest import Oldest


class AgingLaneQueue(LaneQueue, AgingQueue):
    """Takes a LaneQueue's place, with all that is in it."""

    def __init__(self, capacity: Capacity, oldest: Oldest | None, agings: dict[str, float]) -> None:
        super().__init__(capacity, oldest)
        self.agings = agings
