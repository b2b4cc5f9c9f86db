"""Retry policies on the memory driver against a model in plain words, under a virtual clock: none lost, none loop."""

import asyncio
import json
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from memory_doubles import HandSink, VirtualClock

from rrjobs.drivers.memory.config import MemoryConfig
from rrjobs.drivers.memory.driver import MemoryDriver
from rrjobs.pipeline.dead_letter import ALL
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.judge import PolicyJudge
from rrjobs.pipeline.policy import Policy, Retry
from rrjobs.runtime.events import Events
from rrjobs.worker.load import Fault, FaultKind

POLICIES = [
    Policy(),
    Policy(1),
    Policy(2, Retry(max_attempts=3, initial_s=2, factor=3, max_s=10, jitter=0)),
    Policy(9, Retry(max_attempts=6, initial_s=1, factor=2, max_s=64, jitter=0, retry_for_s=20)),
    Policy(2, Retry(max_attempts=1)),
]
OVERRIDES = {
    "": lambda policy: policy,
    "max_crashes=1": lambda policy: replace(policy, max_crashes=1),
    "max_attempts=2,initial=3s": lambda policy: replace(
        policy, retry=replace(policy.retry or Retry(), max_attempts=2, initial_s=3)
    ),
}
"""What a job may bring in its header, and what it makes of the pipeline's policy."""

DELAYED, READY, LENT, DEAD, DONE = "delayed", "ready", "lent", "dead", "done"


@dataclass
class Known:
    """One job as the model has it."""

    pushed_at: float
    due_at: float
    once: bool
    policy: Policy
    place: str = READY
    attempt: int = 1
    crashes: int = 0
    runs: int = 0
    asked: int = 0


class RetryMachine(RuleBasedStateMachine):
    """Jobs that succeed, fail, crash, come back and die in every order and at every time."""

    @initialize(policy=st.sampled_from(POLICIES))
    def begin(self, policy: Policy) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = VirtualClock()
        self.sink = HandSink()
        self.policy = policy
        self.driver = self.loop.run_until_complete(self._make())
        self.driver.judge = PolicyJudge(policy, now=lambda: self.clock.now, chance=lambda: 0.5)
        self.running = self.loop.create_task(self.driver.run(self.sink))
        self.run(asyncio.sleep(0))
        self.run(self.driver.resume())
        self.jobs: dict[str, Known] = {}
        self.lent = []

    async def _make(self) -> MemoryDriver:
        return MemoryDriver("test", MemoryConfig(), Events(), timers=self.clock)

    def run(self, coro):
        return self.loop.run_until_complete(coro)

    @rule(
        delay_s=st.sampled_from([0, 0, 3]),
        once=st.sampled_from([False, False, False, True]),
        override=st.sampled_from(["", "", *OVERRIDES]),
    )
    def push(self, delay_s: float, once: bool, override: str) -> None:
        ident = str(len(self.jobs))
        headers = {"rr-retry": [override]} if override else {}
        job = Job(ident, "ping", b"", "test", 10, delay_s, once, headers)
        job.pushed_at = now = self.clock.now
        self.jobs[ident] = Known(
            now, now + delay_s, once, OVERRIDES[override](self.policy), DELAYED if delay_s else READY
        )
        self.run(self.driver.push([job]))

    @precondition(lambda self: len(self.sink.queue))
    @rule()
    def lend(self) -> None:
        delivery = self.sink.take()
        known = self.jobs[delivery.ident]
        assert known.place == READY, "what is lent was due, and nobody else has it"
        assert (delivery.attempt, delivery.crashes) == (known.attempt, known.crashes)
        known.place = LENT
        self.lent.append(delivery)

    @precondition(lambda self: self.lent)
    @rule()
    def give_back(self) -> None:
        delivery = self.lent.pop()
        self.jobs[delivery.ident].place = READY
        delivery.dropped("reset")
        self.run(self.driver.push([]))

    @precondition(lambda self: self.lent)
    @rule()
    def succeed(self) -> None:
        delivery, known = self._run()
        known.place = DONE
        delivery.answer(0, 0, b"", b'{"type":0,"data":[]}')
        delivery.finished()

    @precondition(lambda self: self.lent)
    @rule(kind=st.sampled_from([FaultKind.CRASHED, FaultKind.TIMED_OUT, FaultKind.DOUBLED]))
    def crash(self, kind: FaultKind) -> None:
        delivery, known = self._run()
        known.crashes += 1
        self._expect(known, dies=known.crashes >= known.policy.max_crashes)
        delivery.failed(Fault(kind, "gone"))

    @precondition(lambda self: self.lent)
    @rule()
    def throw(self) -> None:
        delivery, known = self._run()
        self._expect(known, dies=known.policy.retry is None and known.attempt >= known.policy.max_crashes)
        delivery.failed(Fault(FaultKind.ERROR, "uncaught"))

    @precondition(lambda self: self.lent)
    @rule(how=st.sampled_from(["refused", "unreadable"]))
    def be_of_no_use(self, how: str) -> None:
        """Every worker hands it back, or the answer is none."""
        delivery, known = self._run()
        self._expect(known, dies=known.policy.retry is None)
        if how == "refused":
            delivery.failed(Fault(FaultKind.REFUSED, "20 workers"))
        else:
            delivery.answer(0, 0, b"", b"{")
            delivery.finished()

    @precondition(lambda self: self.lent)
    @rule()
    def be_cut_off(self) -> None:
        delivery, known = self._run()
        if known.once:
            known.place = DEAD
        else:
            self._again(known, 0)
        delivery.failed(Fault(FaultKind.CUT_OFF, "grace"))

    @precondition(lambda self: self.lent)
    @rule(kind=st.sampled_from([1, 3]), delay_s=st.sampled_from([0, 7]))
    def fail(self, kind: int, delay_s: int) -> None:
        delivery, known = self._run()
        if known.policy.retry is None:
            known.place = DONE
        else:
            self._expect(known, dies=False, delay_s=delay_s)
        self._answer(delivery, kind, requeue=False, delay_seconds=delay_s)

    @precondition(lambda self: self.lent)
    @rule(delay_s=st.sampled_from([0, 5]))
    def requeue(self, delay_s: int) -> None:
        delivery, known = self._run()
        known.asked += 1
        self._again(known, delay_s)
        self._answer(delivery, 4, delay_seconds=delay_s, headers={"rr-attempt": ["1"]})

    @rule(seconds=st.sampled_from([0.5, 1, 2, 5, 30]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for known in self.jobs.values():
            if known.place == DELAYED and known.due_at <= self.clock.now:
                known.place = READY

    @precondition(lambda self: any(known.place == DEAD for known in self.jobs.values()))
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        letters = self.run(self.driver.dead.letters(ALL, 1000))
        letter = data.draw(st.sampled_from(letters))
        assert self.run(self.driver.dead.replay([letter.key])) == [""]
        known = self.jobs[letter.id]
        assert (letter.attempts, letter.crashes) == (known.attempt, known.crashes)
        now = self.clock.now
        self.jobs[letter.id] = Known(now, now, known.once, known.policy)
        assert "replayed already" in self.run(self.driver.dead.replay([letter.key]))[0]

    @precondition(lambda self: any(known.place == DEAD for known in self.jobs.values()))
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        letter = data.draw(st.sampled_from(self.run(self.driver.dead.letters(ALL, 1000))))
        assert self.run(self.driver.dead.drop([letter.key])) == [""]
        self.jobs[letter.id].place = DONE
        self.jobs[letter.id].attempt = self.jobs[letter.id].runs
        assert "dropped already" in self.run(self.driver.dead.replay([letter.key]))[0]

    @rule()
    def pause_for_a_moment(self) -> None:
        self.run(self.driver.pause())
        self.advance(0.25)
        self.run(self.driver.resume())

    def _run(self):
        delivery = self.lent.pop(0)
        known = self.jobs[delivery.ident]
        known.runs += 1
        return delivery, known

    def _answer(self, delivery, kind: int, **data: object) -> None:
        delivery.answer(0, 0, b"", json.dumps({"type": kind, "data": data}).encode())
        delivery.finished()

    def _expect(self, known: Known, dies: bool, delay_s: float = 0) -> None:
        """What failed: dead, or again as the policy says."""
        retry = known.policy.retry
        if dies or known.once:
            known.place = DEAD
            return
        if retry is None:
            self._again(known, 0)
            return
        wait_s = delay_s or min(retry.max_s, retry.initial_s * retry.factor ** (known.attempt - 1))
        late = retry.retry_for_s and self.clock.now + wait_s > known.pushed_at + retry.retry_for_s
        if known.attempt >= retry.max_attempts or late:
            known.place = DEAD
        else:
            self._again(known, wait_s)

    def _again(self, known: Known, wait_s: float) -> None:
        known.attempt += 1
        known.due_at = self.clock.now + wait_s
        known.place = DELAYED if wait_s else READY

    @invariant()
    def every_job_is_in_its_one_place(self) -> None:
        if not hasattr(self, "driver"):
            return
        self.clock.settle_down()
        places = [known.place for known in self.jobs.values()]
        state = self.run(self.driver.state())
        assert state.delayed == places.count(DELAYED)
        assert state.active == places.count(READY) + places.count(LENT)
        letters = self.run(self.driver.dead.letters(ALL, 1000))
        dead = sorted(ident for ident, known in self.jobs.items() if known.place == DEAD)
        assert sorted(letter.id for letter in letters) == dead

    @invariant()
    def the_next_runs_are_told(self) -> None:
        if hasattr(self, "driver"):
            due = {one.job.id: round(self.clock.now + one.in_s, 6) for one in self.run(self.driver.delayed(1000))}
            waiting = {ident: known for ident, known in self.jobs.items() if known.place == DELAYED}
            assert due == {ident: round(known.due_at, 6) for ident, known in waiting.items()}

    @invariant()
    def nothing_runs_more_often_than_it_may(self) -> None:
        for known in getattr(self, "jobs", {}).values():
            assert known.crashes <= known.policy.max_crashes
            assert known.runs == known.attempt - (known.place in (READY, DELAYED, LENT)), (
                "each run counts, no return does"
            )

    def teardown(self) -> None:
        if hasattr(self, "driver"):
            self.run(self.driver.close())
            self.run(self.running)
            self.loop.close()


TestRetries = pytest.mark.soak(RetryMachine.TestCase)
TestRetries.settings = settings(max_examples=settings.default.max_examples * 2 // 5, stateful_step_count=40)
