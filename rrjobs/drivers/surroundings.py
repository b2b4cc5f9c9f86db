"""What a driver is given beside the configuration of its pipeline."""

from dataclasses import dataclass
from pathlib import Path

from rrjobs.runtime.events import Events
from rrjobs.runtime.section import Section


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`section` is the driver's own section of the file (`amqp`, `kafka`), None when there is none.

    `timeout_s` bounds a push, `startup_timeout_s` the wait for a broker that is down when the server starts; after
    `liveness_s` without a connection the pipeline counts as not ready. `state_dir` is for what outlives the server;
    so long as `predecessor_s` a pipeline that is opened waits for another server to let go of what it keeps there.
    `priority` is the pipeline's, for messages that have none.
    """

    events: Events
    section: Section | None = None
    state_dir: Path | None = None
    timeout_s: float = 60.0
    startup_timeout_s: float = 30.0
    liveness_s: float = 60.0
    priority: int = 10
    predecessor_s: float = 0.0
