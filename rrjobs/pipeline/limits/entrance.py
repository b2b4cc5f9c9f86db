"""The way of one pipeline into the shared queue: straight through, or by a gate once it has limits.

straight --limits are set, or its pool keeps workers free for others--> gate        (for as long as the pipeline lives)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from rrjobs.pipeline.delivery import JobDelivery
from rrjobs.pipeline.driver import Aging, Sink
from rrjobs.pipeline.lanes import pool_of
from rrjobs.pipeline.limits.floor import Floor
from rrjobs.pipeline.limits.gate import MAX, PAUSED, ROOM, Gate
from rrjobs.pipeline.limits.limits import Limits
from rrjobs.pipeline.limits.places import RATE, SHARE, VALUE
from rrjobs.pipeline.limits.share import Share
from rrjobs.pipeline.limits.timers import Timers


class Door:
    """A sink that leads to another one, at no cost: its methods are the other's."""

    __slots__ = ("offer", "put", "remove", "when_room")

    def __init__(self, sink: Sink) -> None:
        self.lead_to(sink)

    def lead_to(self, sink: Sink) -> None:
        """From now on."""
        self.put = sink.put
        self.offer = sink.offer
        self.when_room = sink.when_room
        self.remove = sink.remove


@dataclass(frozen=True, slots=True)
class Standing:
    """What is held back of a pipeline, and `why` in plain words; `running` is told only where it is counted."""

    held: int = 0
    why: str = ""
    running: int | None = None


class Entrance:
    """Owned by its route. `pool` is the pipeline's own, None for the only one or where each job names its own.

    `aging` is its driver, when that has to know of `aging_s`.
    """

    def __init__(
        self,
        pipeline: str,
        pool: str | None,
        sink: Sink,
        floor: Floor,
        timers: Timers | None = None,
        aging: Aging | None = None,
    ) -> None:
        self.limits = Limits()
        self.pool = pool
        self.gate: Gate | None = None
        self._pipeline = pipeline
        self._way = sink
        self._door = Door(sink)
        self._floor = floor
        self._timers = timers
        self._aging = aging
        self._paused = False

    @property
    def sink(self) -> Sink:
        """What the driver gets."""
        return cast(Sink, self._door)

    def limit(self, limits: Limits) -> bool:
        """Hold to these limits from now on; whether every pipeline has to be renewed. Raises LimitsError."""
        others = self._floor.reserve(self._pipeline, self.pool, limits.reserve)
        aging_changed = limits.aging_s != self.limits.aging_s
        self.limits = limits
        if aging_changed:
            self._floor.age(self._pipeline, limits.aging_s)
            if self._aging is not None:
                self._aging.let_age(limits.aging_s)
        if not others:
            self.renew()
        return others

    def renew(self) -> None:
        """The limits have changed."""
        self.stop()
        self.change()
        self.go()

    def stop(self) -> None:
        """What pools keep free has changed: nothing goes on until every pipeline knows."""
        if self.gate is not None:
            self.gate.stop()

    def change(self) -> None:
        """Between `stop` and `go`."""
        if self.gate is not None:
            self.gate.change(self.limits, self._pipeline)
        elif self.limits.gated or self._floor.restricts(self._pipeline):
            gate = Gate(self.limits, self._way, self, self._timers)
            gate.stop()
            queued = [one for one in self._way.remove(self._pipeline) if isinstance(one, JobDelivery)]
            self.gate = self._floor.gates[self._pipeline] = gate
            self._door.lead_to(gate)
            if self._paused:
                gate.pause()
            gate.adopt(self._floor.lent(self._pipeline), queued)

    def go(self) -> None:
        """After it."""
        if self.gate is not None:
            self.gate.go()

    def pause(self) -> None:
        """Let nothing go on that is held."""
        self._paused = True
        if self.gate is not None:
            self.gate.pause()

    def resume(self) -> None:
        """Let it go on."""
        self._paused = False
        if self.gate is not None:
            self.gate.resume()

    def close(self) -> bool:
        """The driver is closed; whether other pipelines are touched. Safe twice."""
        if self.gate is not None:
            self.gate.close()
            self._floor.gates.pop(self._pipeline, None)
        self._floor.age(self._pipeline, 0.0)
        return self._floor.reserve(self._pipeline, self.pool, 0)

    def standing(self) -> Standing:
        """What is held back now."""
        gate = self.gate
        if gate is None:
            return Standing()
        waiting = gate.waiting()
        parts = [f"{number} wait: {self._reason(why, groups)}" for why, (number, groups) in sorted(waiting.items())]
        return Standing(gate.held, "; ".join(parts), gate.running)

    # what the gate asks

    def pool_of(self, delivery: JobDelivery) -> str | None:
        """See Shares."""
        share = self._floor.share_of(pool_of(delivery) or self.pool)
        return share.name if share is not None and share.restricts(self._pipeline) else None

    def share(self, pool: str) -> Share:
        """See Shares."""
        return self._floor.shares[pool]

    def _reason(self, why: str, groups: int) -> str:
        limits = self.limits
        told: Mapping[str, str] = {
            MAX: f"max_workers, {limits.max_workers} are running",
            VALUE: self._value_is_busy(groups),
            SHARE: "the workers that are free are kept for others (reserve)",
            ROOM: "the shared queue is full (jobs.pipeline_size)",
            PAUSED: "the pipeline is paused",
        }
        if why == RATE:
            next_in_s = self.gate.next_in_s() if self.gate else 0.0
            return f"rate, {limits.rate} have begun" + (f", the next may in {next_in_s:.1f} s" if next_in_s else "")
        return told[why]

    def _value_is_busy(self, groups: int) -> str:
        limits = self.limits
        each = f"for each of {groups} values of"
        if limits.ordering_key:
            return f"ordering, one that came before them runs {each} `{limits.ordering_key}`"
        return f"concurrency, {limits.concurrency} are running {each} `{limits.concurrency_key}`"
