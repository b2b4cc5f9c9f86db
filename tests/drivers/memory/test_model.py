"""The memory driver against a model of it: every job in exactly one place, every count exact, order kept."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from memory_doubles import HandSink, VirtualClock

from rrjobs.drivers.memory.config import MemoryConfig
from rrjobs.drivers.memory.driver import MemoryDriver
from rrjobs.errors import AlreadyInState
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import DONE, Action, Counter, Outcome
from rrjobs.runtime.events import Events

OUTCOMES = [
    DONE,
    Outcome(Action.ACK, Counter.FAILED),
    Outcome(Action.REJECT, Counter.FAILED),
    Outcome(Action.REJECT, Counter.REQUEUED, redeliver=True, delay_s=4),
    Outcome(Action.REQUEUE, Counter.REQUEUED, redeliver=True, headers={"a": ["1"]}),
    Outcome(Action.REQUEUE, Counter.REQUEUED, redeliver=True, delay_s=2),
]
specs = st.tuples(st.integers(1, 3), st.sampled_from([0, 0, 0, 1, 5, 1e9]))


@dataclass
class Model:
    """The driver in the plainest words: lists that are sorted when something is wanted from them."""

    prefetch: int
    capacity: int
    now: float = 100.0
    paused: bool = True
    sequence: int = 0
    waiting: list[tuple[int, int, str]] = field(default_factory=list)
    delayed: list[tuple[float, int, int, str]] = field(default_factory=list)
    shared: list[tuple[int, int, str]] = field(default_factory=list)
    lent: list[tuple[int, str]] = field(default_factory=list)

    def add(self, ident: str, priority: int, delay_s: float) -> None:
        self.sequence += 1
        if delay_s:
            self.delayed.append((self.now + delay_s, self.sequence, priority, ident))
        else:
            self.waiting.append((priority, self.sequence, ident))

    def advance(self, seconds: float) -> None:
        for due in sorted({one[0] for one in self.delayed if one[0] <= self.now + seconds}):
            for one in sorted(one for one in self.delayed if one[0] == due):
                self.delayed.remove(one)
                self.sequence += 1
                self.waiting.append((one[2], self.sequence, one[3]))
            self.move()
        self.now += seconds

    def move(self) -> None:
        while self.waiting and not self.paused and len(self.shared) < self.capacity:
            if len(self.shared) + len(self.lent) >= self.prefetch:
                return
            first = min(self.waiting)
            self.waiting.remove(first)
            self.sequence += 1
            self.shared.append((first[0], self.sequence, first[2]))


class MemoryDriverMachine(RuleBasedStateMachine):
    """Everything that can happen to a pipeline in memory, in any order."""

    @initialize(prefetch=st.integers(1, 6), capacity=st.integers(1, 6))
    def begin(self, prefetch: int, capacity: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = VirtualClock()
        self.sink = HandSink(capacity)
        self.model = Model(prefetch, capacity)
        self.driver = self.run(self._make(prefetch))
        self.running = self.loop.create_task(self.driver.run(self.sink))
        self.run(asyncio.sleep(0))
        self.lent = []
        self.pushed = 0

    async def _make(self, prefetch: int) -> MemoryDriver:
        return MemoryDriver("test", MemoryConfig(prefetch=prefetch), Events(), timers=self.clock)

    def run(self, coro):
        return self.loop.run_until_complete(coro)

    @rule(batch=st.lists(specs, min_size=1, max_size=5))
    def push(self, batch) -> None:
        jobs = []
        for priority, delay_s in batch:
            self.pushed += 1
            jobs.append(Job(str(self.pushed), "ping", b"", "test", priority, delay_s))
            self.model.add(str(self.pushed), priority, delay_s)
        self.run(self.driver.push(jobs))
        self.model.move()

    @rule()
    def pause(self) -> None:
        assert self._changes(self.driver.pause()) != self.model.paused
        self.model.paused = True

    @rule()
    def resume(self) -> None:
        assert self._changes(self.driver.resume()) == self.model.paused
        self.model.paused = False
        self.model.move()

    def _changes(self, coro) -> bool:
        try:
            self.run(coro)
        except AlreadyInState:
            return False
        return True

    @precondition(lambda self: self.model.shared)
    @rule()
    def lend(self) -> None:
        delivery = self.sink.take()
        first = min(self.model.shared)
        self.model.shared.remove(first)
        self.model.lent.append((first[0], first[2]))
        assert delivery.ident == first[2]
        self.lent.append(delivery)
        self.model.move()

    @precondition(lambda self: self.lent)
    @rule(outcome=st.sampled_from(OUTCOMES), data=st.data())
    def settle(self, outcome, data) -> None:
        place = data.draw(st.integers(0, len(self.lent) - 1))
        priority, ident = self.model.lent.pop(place)
        if outcome.redeliver:
            self.model.add(ident, priority, outcome.delay_s)
        self.driver.settle(self.lent.pop(place), outcome)
        self.model.move()

    @rule(seconds=st.sampled_from([0.5, 1, 3, 10, 1e9]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.model.advance(seconds)

    @rule()
    def drain_and_go_on(self) -> None:
        capacity = self.sink.capacity
        self.sink.drop_all()
        for place, (priority, _, ident) in enumerate(sorted(self.model.shared)):
            self.model.waiting.append((priority, place - 10**9, ident))
        self.model.waiting = [(key[0], place, key[2]) for place, key in enumerate(sorted(self.model.waiting))]
        self.model.sequence += len(self.model.waiting)
        self.model.shared.clear()
        self.sink.capacity = capacity
        self.run(self.driver.push([]))
        self.sink.wake()
        self.model.move()

    @invariant()
    def everything_is_where_the_model_has_it(self) -> None:
        if not hasattr(self, "driver"):
            return
        self.clock.settle_down()
        state = self.run(self.driver.state())
        model = self.model
        assert state.delayed == len(model.delayed)
        assert state.active == len(model.waiting) + len(model.shared) + len(model.lent)
        assert state.ready is not model.paused
        assert len(self.sink.queue) == len(model.shared)
        assert len(self.clock.armed()) <= 1

    def teardown(self) -> None:
        if not hasattr(self, "driver"):
            return
        self.run(self.driver.close())
        state = self.run(self.driver.state())
        assert (state.active, state.delayed) == (len(self.lent), 0)
        assert self.clock.armed() == []
        self.run(self.running)
        self.loop.close()


TestMemoryDriver = pytest.mark.soak(MemoryDriverMachine.TestCase)
TestMemoryDriver.settings = settings(stateful_step_count=40)
