"""The states of a worker, with the numbers and names that RoadRunner's clients know (spec/worker-and-http.md 3.2).

booting (inactive) -> ready <-> working
ready, working -> retiring (named by the limit it hit) -> stopping -> stopped
any -> errored (died, broke the protocol) -> stopped
"""

from enum import IntEnum


class WorkerState(IntEnum):
    """Numbers as on the wire of `informer.Workers`."""

    INACTIVE = 0
    READY = 1
    WORKING = 2
    INVALID = 3
    STOPPING = 4
    STOPPED = 5
    DESTROYED = 6
    MAX_JOBS_REACHED = 7
    ERRORED = 8
    IDLE_TTL_REACHED = 9
    TTL_REACHED = 10
    MAX_MEMORY_REACHED = 11
    UNDEFINED = 12

    @property
    def text(self) -> str:
        """The name clients see."""
        return _TEXTS[self]


_TEXTS = {
    WorkerState.INACTIVE: "inactive",
    WorkerState.READY: "ready",
    WorkerState.WORKING: "working",
    WorkerState.INVALID: "invalid",
    WorkerState.STOPPING: "stopping",
    WorkerState.STOPPED: "stopped",
    WorkerState.DESTROYED: "destroyed",
    WorkerState.MAX_JOBS_REACHED: "maxJobsReached",
    WorkerState.ERRORED: "errored",
    WorkerState.IDLE_TTL_REACHED: "idleTTLReached",
    WorkerState.TTL_REACHED: "ttlReached",
    WorkerState.MAX_MEMORY_REACHED: "maxMemoryReached",
    WorkerState.UNDEFINED: "undefined",
}
