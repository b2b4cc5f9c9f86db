"""The decision to grow or shrink: every rule by a table, the bounds by properties, the whole by a simulated pool."""

import heapq
from collections import deque
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.worker.autoscale import Decision, Limits, Sight, decide
from rrjobs.worker.spawn_rate import MAX_PAUSE_S, SpawnRate

LIMITS = Limits(min=2, max=10, target_wait_s=0.05, spawn_rate=5, idle_s=60.0, at_once=4)
BUSY = Sight(
    now=1000.0,
    waiting=20,
    waiting_since=999.9,
    gone=0,
    workers=2,
    booting=0,
    idle_since=(),
    may_start=5,
    next_start_s=0.2,
    grown_at=0.0,
    shrunk_at=0.0,
)
IDLE = replace(BUSY, waiting=0, waiting_since=0.0, workers=6, idle_since=(900.0, 901.0, 902.0, 950.0))


@pytest.mark.parametrize(
    ("case", "sight", "start", "stop", "look_in_s"),
    [
        ("four at once at most", BUSY, 4, 0, 0.2),
        ("no more than wait", replace(BUSY, waiting=3), 3, 0, 0.2),
        ("those that boot will serve as many", replace(BUSY, waiting=3, booting=2, workers=4), 1, 0, 0.2),
        ("enough boot already", replace(BUSY, waiting=2, booting=2, workers=4), 0, 0, None),
        ("as many boot as may", replace(BUSY, booting=4, workers=6), 0, 0, None),
        ("no more than max", replace(BUSY, workers=9), 1, 0, 0.2),
        ("at max", replace(BUSY, workers=10), 0, 0, 60.0),
        ("no more than the rate allows", replace(BUSY, may_start=2), 2, 0, 0.2),
        ("the rate is used up", replace(BUSY, may_start=0), 0, 0, 0.2),
        ("not waited long enough", replace(BUSY, waiting=2, waiting_since=999.96875), 0, 0, 0.01875),
        ("ten rounds as long as this will be too long", replace(BUSY, waiting_since=999.99), 4, 0, 0.2),
        ("ten rounds will not", replace(BUSY, waiting_since=999.99609375), 0, 0, 0.00109375),
        ("many have gone meanwhile", replace(BUSY, waiting_since=999.96875, gone=40), 0, 0, 0.01875),
        ("too few have gone", replace(BUSY, waiting=200, waiting_since=999.96875, gone=40), 4, 0, 0.2),
        ("somebody is free and will be lent", replace(BUSY, idle_since=(999.0,)), 0, 0, None),
        ("three idle for long: one goes", IDLE, 0, 1, 6.0),
        ("a quarter of many", replace(IDLE, workers=10, idle_since=(900.0,) * 10), 0, 3, 6.0),
        ("never below min", replace(IDLE, workers=3, idle_since=(900.0,) * 30), 0, 1, 6.0),
        ("at min", replace(IDLE, workers=2), 0, 0, None),
        ("idle for too short", replace(IDLE, idle_since=(950.0,)), 0, 0, 10.0),
        ("nobody idle", replace(IDLE, idle_since=()), 0, 0, 60.0),
        ("somebody waits", replace(IDLE, waiting=1), 0, 0, 60.0),
        ("grown lately", replace(IDLE, grown_at=970.0), 0, 0, 30.0),
        ("a step down lately", replace(IDLE, shrunk_at=997.0), 0, 0, 3.0),
    ],
)
def test_the_table_of_decisions(case, sight, start, stop, look_in_s):
    decision = decide(sight, LIMITS)
    assert (decision.start, decision.stop) == (start, stop), case
    assert decision.look_in_s == pytest.approx(look_in_s), case


def test_a_decision_says_why_in_plain_words():
    assert decide(BUSY, LIMITS).reason == ("20 waiting, the oldest for 100 ms (target 50 ms), and no worker was free")
    assert decide(replace(BUSY, waiting_since=999.99), LIMITS).reason == (
        "20 waiting, the last of them for 100 ms or more at this pace (target 50 ms), and no worker was free"
    )
    assert decide(IDLE, LIMITS).reason == "3 idle for 60 s or longer"


times = st.floats(0, 1000)


@given(
    sight=st.builds(
        Sight,
        now=st.just(1000.0),
        waiting=st.integers(0, 500),
        waiting_since=times,
        gone=st.integers(0, 500),
        workers=st.integers(0, 600),
        booting=st.integers(0, 50),
        idle_since=st.lists(times, max_size=40).map(sorted).map(tuple),
        may_start=st.integers(0, 40),
        next_start_s=st.floats(0.001, 30),
        grown_at=times,
        shrunk_at=times,
    ),
    limits=st.integers(1, 50).flatmap(
        lambda low: st.builds(
            Limits,
            min=st.just(low),
            max=st.integers(low, 500),
            target_wait_s=st.floats(0.001, 10),
            spawn_rate=st.integers(1, 100),
            idle_s=st.floats(0.01, 600),
            at_once=st.integers(1, 8),
        )
    ),
)
def test_no_decision_leaves_the_range_or_the_rates_or_forgets_who_waits(sight: Sight, limits: Limits):
    decision = decide(sight, limits)
    assert not (decision.start and decision.stop)
    assert decision.start <= min(sight.may_start, max(0, limits.max - sight.workers), sight.waiting)
    assert not decision.start or sight.booting + decision.start <= limits.at_once
    assert decision.stop <= max(0, sight.workers - limits.min)
    assert decision.stop <= len(sight.idle_since)
    assert decision.look_in_s is None or decision.look_in_s >= 0
    could_grow = sight.waiting and not sight.idle_since and sight.workers < limits.max
    if could_grow and not decision.start:
        assert decision.look_in_s is not None or sight.booting, "nothing would ever ask again"
    if sight.workers > limits.min and not could_grow:
        assert decision.stop or decision.look_in_s is not None, "the surplus would stay"


class SimulatedPool:
    """A virtual clock, workers that take `boot_s` to start, deliveries that take `work_s`; decisions at each event."""

    def __init__(self, limits: Limits, boot_s: float, work_s: float) -> None:
        self.limits = limits
        self.boot_s, self.work_s = boot_s, work_s
        self.now = 0.0
        self.queue: deque[float] = deque()
        self.idle: list[float] = [0.0] * limits.min
        self.busy = 0
        self.booting = 0
        self.rate = SpawnRate(limits.spawn_rate, 0.0)
        self.grown_at = self.shrunk_at = 0.0
        self.starts: list[float] = []
        self.waits: list[float] = []
        self.sizes: list[int] = []
        self.later: list[tuple[float, int, str]] = []
        self.number = 0

    @property
    def workers(self) -> int:
        return len(self.idle) + self.busy + self.booting

    def at(self, when: float, what: str) -> None:
        self.number += 1
        heapq.heappush(self.later, (when, self.number, what))

    def run(self, until: float) -> None:
        while self.later and self.later[0][0] <= until:
            self.now, _, what = heapq.heappop(self.later)
            getattr(self, what)()
            while self.queue and self.idle:
                self.idle.pop()
                self.busy += 1
                self.waits.append(self.now - self.queue.popleft())
                self.at(self.now + self.work_s, "finished")
            self.look()
        self.now = until

    def came(self) -> None:
        self.queue.append(self.now)

    def finished(self) -> None:
        self.busy -= 1
        self.idle.append(self.now)

    def booted(self) -> None:
        self.booting -= 1
        self.idle.append(self.now)

    def nothing(self) -> None:
        pass

    def look(self) -> None:
        decision = self.decision()
        self.rate.spend(decision.start, self.now)
        for _ in range(decision.start):
            self.booting += 1
            self.grown_at = self.now
            self.starts.append(self.now)
            self.at(self.now + self.boot_s, "booted")
        if decision.stop:
            self.shrunk_at = self.now
            del self.idle[: decision.stop]
        self.sizes.append(self.workers)
        if decision.look_in_s is not None:
            self.at(self.now + max(decision.look_in_s, 0.001), "nothing")

    def decision(self) -> Decision:
        return decide(
            Sight(
                self.now,
                len(self.queue),
                self.queue[0] if self.queue else 0.0,
                0,
                self.workers,
                self.booting,
                self.idle,
                self.rate.left(self.now),
                self.rate.next_in_s(self.now),
                self.grown_at,
                self.shrunk_at,
            ),
            self.limits,
        )


@given(
    low=st.integers(1, 4),
    more=st.integers(0, 20),
    rate=st.integers(1, 40),
    boot_s=st.floats(0.01, 0.5),
    work_s=st.floats(0.001, 2.0),
    bursts=st.lists(st.tuples(st.floats(0, 20), st.integers(1, 60)), max_size=5),
)
def test_a_simulated_pool_serves_all_within_its_bounds_and_comes_back_to_min(low, more, rate, boot_s, work_s, bursts):
    limits = Limits(low, low + more, 0.05, rate, 3.0, 4)
    pool = SimulatedPool(limits, boot_s, work_s)
    for when, number in bursts:
        for _ in range(number):
            pool.at(when, "came")
    pool.run(20.0 + 300 * 2.0 + 100.0)
    assert len(pool.waits) == sum(number for _, number in bursts)
    assert all(low <= size <= low + more for size in pool.sizes)
    assert pool.workers == low
    for number, began in enumerate(pool.starts):
        within = [one for one in pool.starts[number:] if one <= began + 1.0]
        assert len(within) <= 2 * rate, "one second's worth saved up, and one that came meanwhile"


def test_a_steady_load_keeps_its_workers_and_a_trickle_gives_them_back():
    pool = SimulatedPool(replace(LIMITS, idle_s=5.0), boot_s=0.05, work_s=0.5)
    for number in range(1200):
        pool.at(number * 0.1, "came")  # five are busy at any moment
    pool.run(100.0)
    assert 5 <= pool.workers <= 8
    settled = len(pool.starts)
    pool.run(119.0)
    assert len(pool.starts) - settled <= 2, "it does not swing"
    for number in range(100):
        pool.at(121.0 + number, "came")
    pool.run(220.0)
    assert pool.workers == LIMITS.min


def test_growth_does_not_wait_for_a_tick():
    pool = SimulatedPool(LIMITS, boot_s=0.05, work_s=10.0)
    for _ in range(10):
        pool.at(1.0, "came")
    pool.run(1.051)
    assert len(pool.starts) == 4 and pool.starts[0] == pytest.approx(1.0 + 0.05 * 2 / 8, abs=0.002)
    pool.run(3.0)
    assert len(pool.waits) == 10


def test_the_spawn_rate_saves_up_one_second_and_no_more():
    rate = SpawnRate(5, 0.0)
    assert rate.left(100.0) == 5
    rate.spend(5, 100.0)
    assert rate.left(100.0) == 0
    assert rate.next_in_s(100.0) == pytest.approx(0.2)
    assert rate.left(100.21) == 1
    assert rate.left(102.0) == 5


def test_failed_starts_are_repeated_ever_more_rarely_until_one_works():
    rate, now, pauses = SpawnRate(100, 0.0), 0.0, []
    for _ in range(8):
        pause_s = rate.failed(now)
        assert rate.failed(now + 0.01) < pause_s, "one that fails beside it adds nothing"
        assert rate.left(now + pause_s - 0.1) == 0
        assert rate.next_in_s(now) >= pause_s
        pauses.append(pause_s)
        now += pause_s
        assert rate.left(now) > 0
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, MAX_PAUSE_S, MAX_PAUSE_S, MAX_PAUSE_S]
    rate.worked()
    assert rate.failed(now) == 1.0
