"""What is told of one pipeline, to RPC, the command line and the status endpoints."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PipelineState:
    """Counts of one moment: `active` waits or is in flight, `delayed` waits for its time, `reserved` the broker holds.

    `ready`: it is consumed. `error`: why not, when it should be; "" otherwise. `held` of the active ones may not run
    now, because of limits: `held_why`.
    """

    pipeline: str
    driver: str
    queue: str
    priority: int
    ready: bool
    active: int = 0
    delayed: int = 0
    reserved: int = 0
    error: str = ""
    held: int = 0
    held_why: str = ""
