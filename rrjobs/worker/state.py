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

    @property
    def why(self) -> str:
        """Why a worker in this state is replaced, in plain words."""
        return _WHY.get(self, self.text)


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

_WHY = {
    WorkerState.INVALID: "its program asked to be stopped",
    WorkerState.MAX_JOBS_REACHED: "it has done its max_jobs",
    WorkerState.IDLE_TTL_REACHED: "it had nothing to do for supervisor.idle_ttl",
    WorkerState.TTL_REACHED: "it is as old as supervisor.ttl allows",
    WorkerState.MAX_MEMORY_REACHED: "it takes more memory than supervisor.max_worker_memory",
}
