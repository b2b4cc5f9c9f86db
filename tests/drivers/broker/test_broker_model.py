"""The common half of the broker drivers where brokers fail at any moment: nothing is lost, kept or run twice."""

import asyncio
import os

from house import HandSink, crash
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from model_broker import PREFETCH, Kind, ModelBroker
from virtual_time import VirtualClock, VirtualLoop

from rrjobs.drivers.broker.driver import BrokerDriver
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import AlreadyInState, PushRefused
from rrjobs.pipeline.history import History
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.judge import PolicyJudge
from rrjobs.pipeline.outcome import DONE, Action, Counter, Outcome
from rrjobs.runtime.events import Events

KINDS = {
    "amqp": Kind(unique=False),
    "beanstalk": Kind(exact=True),
    "kafka": Kind(takes_back=True),
    "nats": Kind(lasting=True, exact=True),
}
CALLS = ["publish", "consume", "cease", "ack", "give_back", "reject", "put"]
TURNS = st.integers(0, 8)


class BrokerModel(RuleBasedStateMachine):
    """Rules are what brokers, programs and operators do. `lent` is written to a worker and not begun."""

    @initialize(kind=st.sampled_from(sorted(KINDS)))
    def open(self, kind):
        self.loop = VirtualLoop(VirtualClock())
        asyncio.set_event_loop(self.loop)
        self.broker = ModelBroker(KINDS[kind])
        self.ledger = self.broker.ledger
        self.sink = HandSink()
        self.lent = []
        self.pushes = []
        self.number = 0
        self.wants = True
        self.failed = []
        self.loop.set_exception_handler(lambda loop, context: self.failed.append(context))
        self.loop.call_soon(self.begin)
        self.rest()

    def begin(self):
        self.driver = BrokerDriver("p", self.broker, Surroundings(Events(), timeout_s=60.0))
        self.driver.judge = PolicyJudge(PolicyJudge().policy.changed({"max_crashes": 2}), chance=lambda: 0.5)
        self.running = self.loop.create_task(self.serve())

    async def serve(self):
        await self.driver.open()
        self.does(self.steered(True))
        await self.driver.run(self.sink)

    def turns(self, number):
        for _ in range(number):
            self.loop.turn()

    def does(self, work):
        task = self.loop.create_task(work)
        self.pushes.append(task)
        return task

    # pushes

    @rule(number=st.integers(1, 3), auto_ack=st.sampled_from([False, False, True]), turns=TURNS)
    def push(self, number, auto_ack, turns):
        jobs = []
        for _ in range(number):
            self.number += 1
            jobs.append(Job(str(self.number), "J", b"", "p", 10, auto_ack=auto_ack))
        self.does(self.pushed(jobs))
        self.turns(turns)

    async def pushed(self, jobs):
        try:
            await self.driver.push(jobs)
        except PushRefused:
            return
        for job in jobs:
            self.ledger.pushed[job.id] += 1

    @rule(turns=TURNS, junk=st.booleans())
    def somebody_pushes_twice_the_same(self, turns, junk):
        self.number += 1
        for _ in range(2):
            self.broker.keep(Job(f"t{self.number}", "J", b"", "p", 10), junk=junk)
            self.ledger.pushed[f"t{self.number}"] += 1
        self.turns(turns)

    # programs

    @precondition(lambda self: len(self.sink.queue))
    @rule(turns=TURNS)
    def take(self, turns):
        delivery = self.sink.queue.pop()
        delivery.encode()
        if delivery.job.auto_ack:
            self.ledger.ended[delivery.identity] += 1
        self.lent.append(delivery)
        self.sink._room()
        self.turns(turns)

    @precondition(lambda self: self.lent)
    @rule(data=st.data(), what=st.sampled_from(["ok", "ok", "crash", "requeue", "nack", "drop", "letter"]), turns=TURNS)
    def end(self, data, what, turns):
        delivery = self.lent.pop(data.draw(st.integers(0, len(self.lent) - 1)))
        self.answered(delivery, what)
        self.turns(turns)

    def answered(self, delivery, what):
        self.ledger.runs[delivery.identity] += 1
        if not delivery.job.auto_ack:
            self.ledger.ended[delivery.identity] += 1
        headers = History(delivery.attempt + 1).headers()
        if what == "crash":
            crash(delivery)
        else:
            outcome = {
                "ok": DONE,
                "letter": None,
                "requeue": Outcome(Action.REQUEUE, Counter.REQUEUED, True, 0.0, headers),
                "nack": Outcome(Action.REJECT, Counter.REQUEUED, True),
                "drop": Outcome(Action.REJECT, Counter.FAILED),
            }[what] or self.driver.judge.undecodable(delivery, "x")
            delivery.settler.settle(delivery, outcome)
        if delivery.outcome is not None and delivery.outcome.action is Action.DEAD and self.broker.kind.unique:
            self.ledger.doomed.add(delivery.identity)
        if delivery.outcome is not None and not delivery.outcome.redeliver:
            self.ledger.final[delivery.job.id] += 1

    @precondition(lambda self: self.lent)
    @rule(turns=TURNS)
    def die_before_it_begins(self, turns):
        self.lent.pop().returned()
        self.turns(turns)

    @rule(capacity=st.sampled_from([0, 1, 1000]), turns=TURNS)
    def room(self, capacity, turns):
        self.sink.capacity = capacity
        self.sink._room()
        self.turns(turns)

    # the broker

    @rule(down=st.booleans(), turns=TURNS)
    def cut(self, down, turns):
        self.broker.down = down
        self.broker.cut()
        self.turns(turns)

    @rule(name=st.sampled_from(CALLS), before=st.booleans())
    def cut_soon(self, name, before):
        self.broker.cut_at = (name, before)

    @rule(refuses=st.booleans(), turns=TURNS)
    def refuse(self, refuses, turns):
        self.broker.refuses = refuses
        self.turns(turns)

    @rule(turns=TURNS)
    def kill_the_broker(self, turns):
        self.broker.killed()
        self.turns(turns)

    @precondition(lambda self: self.broker.kind.exact)
    @rule(turns=TURNS)
    def deliver_once_more(self, turns):
        self.broker.redeliver()
        self.turns(turns)

    @precondition(lambda self: self.broker.kind.exact)
    @rule()
    def lose_a_receipt(self):
        self.broker.loses_receipt = True

    @precondition(lambda self: self.broker.kind.takes_back and self.broker.connection and self.broker.held)
    @rule(half=st.integers(0, 1), between=TURNS, turns=TURNS)
    def take_partitions(self, half, between, turns):
        connection = self.broker.connection
        going = {receipt for receipt, one in self.broker.held.items() if one.number % 2 == half}
        arrivals = self.driver
        dropped = arrivals.drop(lambda one: one.connection is connection and one.tag in going)
        gone = [self.broker.held[one.tag] for one in dropped]
        self.broker.take_back(gone)
        going -= {one.tag for one in dropped}
        self.turns(between)
        if self.broker.connection is not connection:
            return
        arrivals.withdraw(lambda one: one.connection is connection and one.tag in going)
        self.broker.take_back([self.broker.held[one] for one in going if one in self.broker.held])
        self.broker.feed()
        self.turns(turns)

    @rule(seconds=st.sampled_from([0.2, 2.0, 40.0]))
    def time_passes(self, seconds):
        end = self.loop.clock.now + seconds
        self.rest()
        while self.loop.clock.now < end:
            self.loop.pass_over(end - self.loop.clock.now)
            self.rest()

    def rest(self):
        """Until nobody has anything to do at this moment."""
        for _ in range(2000):
            self.loop.turn()
            if not self.loop._ready:
                return
        raise AssertionError("it never comes to rest")

    # operators

    @rule(turns=TURNS)
    def pause_or_resume(self, turns):
        self.wants = not self.wants
        self.does(self.steered(self.wants))
        self.turns(turns)

    async def steered(self, wants):
        try:
            await (self.driver.resume() if wants else self.driver.pause())
        except AlreadyInState:
            return

    # what holds

    @invariant()
    def no_more_wait_than_prefetch(self):
        assert len(self.driver._intake._waiting) + len(self.sink.queue) <= 2 * PREFETCH

    @invariant()
    def nothing_runs_more_often_than_it_may(self):
        ledger = self.ledger
        for identity, runs in ledger.runs.items():
            assert runs <= ledger.messages[identity] + ledger.extra[identity], f"{identity} ran {runs} times"

    @invariant()
    def nothing_is_copied_more_often_than_it_may(self):
        ledger = self.ledger
        for identity, copies in ledger.copies.items():
            assert copies <= ledger.messages[identity] + ledger.extra[identity], f"{identity} was copied {copies} times"

    @invariant()
    def no_bug_came_up(self):
        assert not self.failed, self.failed
        if self.running.done():
            self.running.result()

    def teardown(self):
        if not hasattr(self, "loop"):
            return
        try:
            self.all_is_well_again()
            self.settle_everything()
            self.nothing_is_lost()
            self.nothing_is_kept()
            self.close()
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.turns(20)
            self.loop.close()
            asyncio.set_event_loop(None)

    def all_is_well_again(self):
        self.broker.down = self.broker.refuses = self.broker.loses_receipt = False
        self.broker.cut_at = None
        self.sink.capacity = 1000
        self.sink._room()
        self.time_passes(40.0)
        if not self.driver._steering.wanted:
            self.does(self.steered(True))
        self.turns(10)

    def settle_everything(self):
        for _ in range(400):
            while self.lent or len(self.sink.queue):
                if not self.lent:
                    self.take(0)
                self.answered(self.lent.pop(), "ok")
            self.time_passes(2.0)
            self.no_bug_came_up()
            if not (self.broker.waiting or self.broker.held or len(self.driver._intake)):
                return
        raise AssertionError(
            f"not settled: waiting {list(self.broker.waiting)}, held {list(self.broker.held.values())}, "
            f"here {list(self.driver._intake._held)}, {[one.done() for one in self.pushes]}"
        )

    def nothing_is_lost(self):
        self.nothing_runs_more_often_than_it_may()
        for ident, times in self.ledger.pushed.items():
            dead = sum(letter.id == ident for letter in self.broker.dead)
            assert self.ledger.final[ident] + dead >= times, f"{ident} is lost"

    def nothing_is_kept(self):
        settling = self.driver._settling
        kept = settling._acks, settling._early, settling._returns, settling._others, self.driver._intake._waiting
        assert not any(kept) and not len(self.sink.queue), kept
        assert settling.trouble == ""
        for push in self.pushes:
            assert push.done()
            push.result()

    def close(self):
        closing = self.does(self.driver.close())
        self.time_passes(10.0)
        assert closing.done() and self.running.done()
        closing.result()
        self.running.result()


BrokerModel.TestCase.settings = settings(
    max_examples=int(os.environ.get("SOAK_EXAMPLES", "60")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestBrokers = BrokerModel.TestCase
