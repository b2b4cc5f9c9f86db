"""Limits of pipelines as metrics: what is held back, why, and what runs. RoadRunner has nothing like it."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from rrjobs.pipeline.limits.gate import MAX, PAUSED, ROOM
from rrjobs.pipeline.limits.places import RATE, SHARE, VALUE
from rrjobs.services.exposition import Family, Sample

REASONS = (MAX, VALUE, RATE, SHARE, ROOM, PAUSED)


class Gate(Protocol):
    """What is asked of the gate of a pipeline with limits."""

    @property
    def running(self) -> int: ...

    def waiting(self) -> Mapping[str, tuple[int, int]]: ...


def limit_families(gates: Mapping[str, Gate]) -> Iterator[Family]:
    """By pipeline; every reason is there from the start, so that a first hold is a change from 0."""
    held, running = [], []
    for pipeline, gate in sorted(gates.items()):
        waiting = gate.waiting()
        for why in REASONS:
            held.append(Sample(waiting.get(why, (0, 0))[0], (("pipeline", pipeline), ("why", why))))
        running.append(Sample(gate.running, (("pipeline", pipeline),)))
    yield Family("rrjobs_jobs_held", "gauge", "Jobs that may not run now because of limits, by reason", held)
    yield Family("rrjobs_jobs_let_on", "gauge", "Jobs of pipelines with limits that were let on and run", running)
