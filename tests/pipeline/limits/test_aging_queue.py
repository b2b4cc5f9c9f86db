"""The queue where waiting counts: against a model that compares effective priorities, one by one."""

from hypothesis import given
from hypothesis import strategies as st
from limits_doubles import Clock, HandDriver

from rrjobs.pipeline.limits.aging_queue import AgingQueue

AGINGS = {"slow": 10.0, "quick": 1.0}
pushes = st.tuples(st.sampled_from(["slow", "quick", "still"]), st.integers(0, 8), st.sampled_from([0.0, 0.3, 5.0]))


def effective(delivery, now):
    aging_s = AGINGS.get(delivery.pipeline)
    return delivery.priority - (now - delivery.since) / aging_s if aging_s else float(delivery.priority)


@given(st.lists(st.one_of(pushes, st.just("pop"), st.just("peek")), max_size=60))
def test_the_lowest_effective_priority_of_the_moment_is_next(steps):
    clock, drivers = Clock(), {name: HandDriver(name) for name in ("slow", "quick", "still")}
    queue = AgingQueue(clock.time)
    queue.agings = AGINGS
    waiting = []
    for step in steps:
        if isinstance(step, tuple):
            pipeline, priority, later_s = step
            clock.advance(later_s)
            delivery = drivers[pipeline].delivery(priority)
            queue.push(priority, delivery)
            waiting.append(delivery)
        elif waiting:
            lowest = min(effective(one, clock.now) for one in waiting)
            shown = queue.peek()
            assert effective(shown, clock.now) <= lowest + 1e-9
            of_it = [one for one in waiting if one.pipeline == shown.pipeline and one.priority == shown.priority]
            assert shown is of_it[0], "first in, first out among equals"
            if step == "pop":
                clock.advance(3.0)  # what was shown stays the next
                assert queue.pop() is shown
                waiting.remove(shown)
        assert len(queue) == queue.size == len(waiting)
    taken = queue.take(lambda delivery: True)
    assert sorted(map(id, taken)) == sorted(map(id, waiting)) and not queue.size
    assert [one.priority for one in taken] == sorted(one.priority for one in waiting)


def test_what_comes_back_is_before_its_equals():
    clock, driver = Clock(), HandDriver("slow")
    queue = AgingQueue(clock.time)
    queue.agings = AGINGS
    first, second = driver.delivery(3), driver.delivery(3)
    queue.push(3, first)
    queue.push(3, second)
    assert queue.pop() is first
    queue.push_front(3, (first,))
    assert [queue.pop(), queue.pop()] == [first, second]


def test_a_flood_does_not_starve_what_has_waited_long_enough():
    clock, flood, late = Clock(), HandDriver("quick"), HandDriver("quick")
    queue = AgingQueue(clock.time)
    queue.agings = AGINGS
    patient = late.delivery(100)
    queue.push(100, patient)
    taken = []
    while patient not in taken:
        clock.advance(1.0)
        queue.push(1, flood.delivery(1))
        taken.append(queue.pop())
        assert len(taken) <= 100
    assert len(taken) >= 99
