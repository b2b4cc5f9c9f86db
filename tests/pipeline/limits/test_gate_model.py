"""Pipelines with limits that change at any moment, on one pool: a model knows who may go on, and who may not wait."""

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from limits_doubles import Clock, HandDriver, HandLane, HandPool

from rrjobs.pipeline.limits.control import Control
from rrjobs.pipeline.limits.entrance import Entrance
from rrjobs.pipeline.limits.floor import Floor
from rrjobs.pipeline.limits.limits import Limits, LimitsError, Rate
from rrjobs.pipeline.limits.window import PARTS
from rrjobs.runtime.events import Events

PIPELINES = ("a", "b")
SLACK = 1 + 1 / PARTS
URGENT = 3

rates = st.builds(Rate, st.integers(1, 3), st.sampled_from([1.0, 5.0]), st.sampled_from(["", "tenant", "user"]))
keys = st.sampled_from([(0, "", ""), (1, "tenant", ""), (2, "tenant", ""), (1, "user", ""), (0, "", "tenant")])
limits = st.builds(
    lambda reserve, most, key, rate: Limits(reserve, most, 0.0, key[0], key[1], rate, key[2]),
    st.sampled_from([0, 0, 1, 2]),
    st.sampled_from([0, 0, 1, 3]),
    keys,
    st.none() | rates,
)


def value_of(delivery, key):
    values = delivery.job.headers.get(key)
    return values[0] if values else ""


class GateModel(RuleBasedStateMachine):
    """`where` each delivery is: held, queued, lent, or out of all (settled, taken back, removed)."""

    @initialize(workers=st.integers(2, 5), room=st.sampled_from([2, 1000]))
    def open(self, workers, room):
        self.clock = Clock()
        self.pool = HandPool(workers)
        self.lane = HandLane(self.pool, room=room)
        self.lane.let_go, self.lane.begun = self.let_go, self.begun
        self.floor = Floor()
        self.floor.add(self.lane)
        self.control = Control(self.floor, Events())
        self.drivers, self.entrances = {}, {}
        self.where, self.refused = {}, {name: [] for name in PIPELINES}
        self.numbers, self.was_lent = {}, set()
        self.starts: dict[str, list[tuple[float, object]]] = {name: [] for name in PIPELINES}
        self.limits: dict[str, Limits] = {name: Limits() for name in PIPELINES}
        self.urgent = (0, URGENT)
        self.paused: set[str] = set()
        for name in PIPELINES:
            self.drivers[name] = HandDriver(name)
            entrance = Entrance(name, None, self.lane, self.floor, self.clock)
            self.control._entrances[name] = self.entrances[name] = entrance

    # what the model knows

    def out(self, pipeline, place):
        return [one for one, where in self.where.items() if where == place and one.pipeline == pipeline]

    def going(self, pipeline):
        return self.out(pipeline, "queued") + self.out(pipeline, "lent")

    def gated(self, pipeline):
        return self.entrances[pipeline].gate is not None

    def began(self, pipeline, rate, value, slack=1.0):
        since = self.clock.now - rate.per_s * slack + (1e-6 if slack == 1 else -1e-6)
        return sum(
            at > since and (not rate.key or value_of(one, rate.key) == value) for at, one in self.starts[pipeline]
        )

    def member(self, delivery):
        if self.limits[delivery.pipeline].reserve:
            return delivery.pipeline
        return "urgent" if self.urgent[0] and delivery.priority <= self.urgent[1] else "others"

    def reservations(self):
        found = {name: self.limits[name].reserve for name in PIPELINES if self.limits[name].reserve}
        return found | ({"urgent": self.urgent[0]} if self.urgent[0] else {})

    def share_allows(self, delivery, others):
        """`others`: the rest of what was let go on. Every set of reservations this one is not in must be left."""
        reserved = self.reservations()
        mine = self.member(delivery)
        counts = Counter(self.member(one) for one in others)
        names = [name for name in reserved if name != mine]
        if not counts[mine]:
            return True
        for mask in range(1, 2 ** len(names)):
            left = [name for at, name in enumerate(names) if mask >> at & 1]
            outside = sum(number for name, number in counts.items() if name not in left)
            if outside + 1 > self.pool.size - sum(reserved[name] for name in left):
                return False
        return True

    def allowed(self, delivery, others, slack=1.0):
        """Whether it may go on beside these of its pipeline, with what has begun."""
        bounds = self.limits[delivery.pipeline]
        same = [one for one in others if one.pipeline == delivery.pipeline]
        if bounds.max_workers and len(same) >= bounds.max_workers:
            return "max_workers"
        key = bounds.concurrency_key
        if key and sum(value_of(one, key) == value_of(delivery, key) for one in same) >= bounds.concurrency:
            return "concurrency"
        ordered = value_of(delivery, bounds.ordering_key)
        if ordered and any(value_of(one, bounds.ordering_key) == ordered for one in same):
            return "ordering"
        if bounds.rate is not None:
            value = value_of(delivery, bounds.rate.key)
            unstarted = [one for one in same if self.where[one] == "queued" and one not in self.was_lent]
            places = sum(not bounds.rate.key or value_of(one, bounds.rate.key) == value for one in unstarted)
            if places + self.began(delivery.pipeline, bounds.rate, value, slack) >= bounds.rate.limit:
                return "rate"
        return "" if self.share_allows(delivery, others) else "reserve"

    was_lent: set[object] = set()

    # what the lane tells

    def let_go(self, delivery):
        if self.gated(delivery.pipeline):
            others = [one for name in PIPELINES if self.gated(name) for one in self.going(name) if one is not delivery]
            why = self.allowed(delivery, others)
            assert not why, f"{delivery.ident} went on in spite of {why} against {self.limits}"
            held = [one for one in self.out(delivery.pipeline, "held") if self.same_group(one, delivery)]
            earlier = [one for one in held if self.place(one) < self.place(delivery)]
            assert not earlier, f"{delivery.ident} overtook {[one.ident for one in earlier]}"
            assert delivery.pipeline not in self.paused
        self.was_lent.discard(delivery)
        self.where[delivery] = "queued"

    def begun(self, delivery):
        self.where[delivery] = "lent"
        if delivery not in self.was_lent:
            self.was_lent.add(delivery)
            self.starts[delivery.pipeline].append((self.clock.now, delivery))

    def place(self, delivery):
        ordered = value_of(delivery, self.limits[delivery.pipeline].ordering_key)
        return 0 if ordered else delivery.priority, self.numbers[delivery]

    def same_group(self, one, other):
        bounds = self.limits[one.pipeline]
        if bounds.ordering_key:
            key = value_of(one, bounds.ordering_key)
            if key != value_of(other, bounds.ordering_key):
                return False
            if key:
                return True
        names = [bounds.concurrency_key, bounds.rate.key if bounds.rate else ""]
        return self.member(one) == self.member(other) and all(value_of(one, k) == value_of(other, k) for k in names)

    # drivers

    @rule(
        pipeline=st.sampled_from(PIPELINES),
        many=st.lists(
            st.tuples(st.integers(2, 5), st.sampled_from(["", "x", "y"]), st.sampled_from(["", "u"])), max_size=5
        ),
    )
    def offer(self, pipeline, many):
        for priority, tenant, user in many:
            headers = {name: value for name, value in (("tenant", tenant), ("user", user)) if value}
            delivery = self.drivers[pipeline].delivery(priority, **headers)
            self.number_of(delivery)
            self.where[delivery] = "held"
            if not self.entrances[pipeline].sink.offer(delivery):
                assert len(self.lane.queue) >= self.lane.room
                assert delivery.settler is self.drivers[pipeline]
                del self.where[delivery]

    def number_of(self, delivery):
        self.numbers[delivery] = max(self.numbers.values(), default=0) + 1

    # workers

    @precondition(lambda self: len(self.lane.queue) and len(self.lane.lent) < self.pool.size)
    @rule()
    def start(self):
        self.lane.start()

    @precondition(lambda self: self.lane.lent)
    @rule(data=st.data())
    def finish(self, data):
        delivery = data.draw(st.sampled_from(self.lane.lent))
        self.where[delivery] = "out"
        self.lane.finish(delivery)
        assert self.drivers[delivery.pipeline].settled[-1] is delivery

    @precondition(lambda self: self.lane.lent)
    @rule(data=st.data())
    def come_back(self, data):
        delivery = data.draw(st.sampled_from(self.lane.lent))
        self.where[delivery] = "queued"
        self.lane.give_back(delivery)

    @rule(seconds=st.sampled_from([0.001, 0.4, 1.0, 1.1, 6.0]))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule(workers=st.integers(2, 6))
    def resize(self, workers):
        self.pool.resize(workers)

    # people

    @rule(pipeline=st.sampled_from(PIPELINES), bounds=limits)
    def change(self, pipeline, bounds):
        before = self.limits[pipeline]
        others = sum(self.limits[name].reserve for name in PIPELINES if name != pipeline)
        least = self.floor.shares["jobs"].least_workers
        if bounds.reserve > before.reserve and bounds.reserve + others >= least:
            with pytest.raises(LimitsError, match="must be left for everybody"):
                self.entrances[pipeline].limit(bounds)
            return
        if bounds.rate is None or before.rate is None or bounds.rate.key != before.rate.key:
            self.starts[pipeline] = []
        else:  # what was too old for the rate before is forgotten
            since = self.clock.now - before.rate.per_s
            self.starts[pipeline] = [one for one in self.starts[pipeline] if one[0] > since]
        self.limits[pipeline] = bounds
        self.recalled(pipeline, everybody=bounds.reserve != before.reserve)
        if self.entrances[pipeline].limit(bounds):
            self.control._renew()

    def recalled(self, pipeline, everybody):
        """A change takes back what is queued, of all pipelines when a reservation changes."""
        for name in PIPELINES if everybody else (pipeline,):
            restricted = any(self.limits[other].reserve for other in PIPELINES if other != name)
            if self.gated(name) or self.limits[name].gated or restricted:
                queued = self.out(name, "queued")
                if not self.gated(name):  # nobody has counted arrivals: they come as the queue has them
                    for one in sorted(queued, key=lambda one: (one.priority, self.numbers[one])):
                        self.numbers[one] = max(self.numbers.values()) + 1
                for one in queued:
                    self.where[one] = "held"

    @rule(pipeline=st.sampled_from(PIPELINES))
    def pause(self, pipeline):
        self.paused.add(pipeline)
        self.entrances[pipeline].pause()

    @rule(pipeline=st.sampled_from(PIPELINES))
    def resume(self, pipeline):
        self.paused.discard(pipeline)
        self.entrances[pipeline].resume()

    @rule(pipeline=st.sampled_from(PIPELINES))
    def remove(self, pipeline):
        wanted = self.out(pipeline, "held") + self.out(pipeline, "queued")
        for one in wanted:
            self.where[one] = "out"
        taken = self.entrances[pipeline].sink.remove(pipeline)
        assert set(taken) == set(wanted)
        if self.limits[pipeline].ordering_key:
            assert taken == sorted(taken, key=self.numbers.__getitem__)
        else:
            assert [one.priority for one in taken] == sorted(one.priority for one in taken)
        assert all(one.settler is self.drivers[pipeline] for one in taken)

    # what holds at every moment

    @invariant()
    def nothing_is_lost_and_nobody_waits_without_a_reason(self):
        if not hasattr(self, "where"):
            return
        for name in PIPELINES:
            gate = self.entrances[name].gate
            held = self.out(name, "held")
            assert (gate.held if gate else 0) == len(held)
            assert len(self.lane.queue) == sum(len(self.out(one, "queued")) for one in PIPELINES)
            if gate is None:
                continue
            assert gate.running == len(self.going(name))
            assert sum(number for number, _ in gate.waiting().values()) == len(held)
            self.nobody_idles(name, held)

    def nobody_idles(self, name, held):
        if name in self.paused or len(self.lane.queue) >= self.lane.room:
            return
        everybody = [one for pipeline in PIPELINES if self.gated(pipeline) for one in self.going(pipeline)]
        for one in held:
            first = min((other for other in held if self.same_group(one, other)), key=self.place)
            assert self.allowed(first, everybody, SLACK), f"{first.ident} waits for nothing: {self.limits}"

    def teardown(self):
        if not hasattr(self, "where"):
            return
        for name in PIPELINES:
            self.paused.discard(name)
            self.entrances[name].resume()
        for _ in range(500):
            while len(self.lane.lent) < self.pool.size and self.lane.start():
                pass
            if not self.lane.lent:
                if not any(self.out(name, "held") for name in PIPELINES):
                    break
                self.clock.advance(1.0)
            for delivery in list(self.lane.lent):
                self.where[delivery] = "out"
                self.lane.finish(delivery)
        assert not any(self.out(name, place) for name in PIPELINES for place in ("held", "queued", "lent"))
        self.clock.advance(20.0)
        for name in PIPELINES:
            gate = self.entrances[name].gate
            assert gate is None or gate.kept <= 3, "what is kept of values goes when nobody uses them"
            self.entrances[name].close()
        assert not self.clock.armed


GateModel.TestCase.settings = settings(
    max_examples=int(os.environ.get("SOAK_EXAMPLES", "60")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestGate = pytest.mark.soak(pytest.mark.filterwarnings("default")(GateModel.TestCase))
