"""The driver's own queue where waiting counts: against a model, and together with the shared queue."""

from hypothesis import given
from hypothesis import strategies as st
from memory_doubles import HandSink, VirtualClock

from rrjobs.drivers.memory.waiting import AgingWaiting, Waiting, reordered
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.limits.aging_queue import AgingQueue
from rrjobs.pipeline.outcome import DONE

AGING_S = 2.0
pushes = st.tuples(st.integers(-3, 8), st.sampled_from([0.0, 0.3, 5.0]))


@given(st.lists(st.one_of(pushes, st.just("pop")), max_size=60))
def test_the_lowest_effective_priority_of_the_moment_is_next(steps):
    clock = VirtualClock()
    waiting, since = AgingWaiting(AGING_S, clock.time), {}
    for number, step in enumerate(steps):
        if isinstance(step, tuple):
            priority, later_s = step
            clock.now += later_s
            job = Job(str(number), "ping", b"", "test", priority)
            waiting.push(priority, job)
            since[job] = clock.now
        elif since:
            lowest = min(job.priority - (clock.now - at) / AGING_S for job, at in since.items())
            job = waiting.peek()
            assert waiting.pop() is job
            assert job.priority - (clock.now - since[job]) / AGING_S <= lowest + 1e-9
            assert abs(waiting.since - since[job]) < 1e-6
            assert job is next(one for one in since if one.priority == job.priority), "first in, first out among equals"
            del since[job]
        assert len(waiting) == len(since)
    taken = waiting.take(lambda job: True)
    assert taken == sorted(since, key=lambda job: job.priority) and not waiting.size


def test_what_is_taken_out_leaves_the_order_of_the_others(job):
    waiting = AgingWaiting(AGING_S, VirtualClock().time)
    for number in range(20):
        waiting.push(number % 3, job(number, number % 3))
    assert {int(one.id) % 2 for one in waiting.take(lambda one: int(one.id) % 2)} == {1}
    left = [int(waiting.pop().id) for _ in range(len(waiting))]
    assert left == sorted(range(0, 20, 2), key=lambda number: (number % 3, number))


def test_another_aging_s_keeps_the_time_that_was_waited(job):
    clock = VirtualClock()
    waiting: Waiting = Waiting()
    waiting.push(50, job("old", 50))
    waiting = reordered(waiting, 1.0, clock.time)
    clock.now += 100
    waiting.push(1, job("fresh", 1))
    assert waiting.peek().id == "old"
    waiting = reordered(waiting, 100.0, clock.time)
    assert waiting.peek().id == "fresh"
    waiting = reordered(waiting, 2.0, clock.time)
    assert waiting.peek().id == "old", "100 s have counted all the time"
    assert reordered(waiting, 0.0, clock.time).peek().id == "fresh"


async def test_a_job_beyond_the_prefetch_overtakes_a_flood_of_more_urgent_ones(started, sink, clock, job):
    driver = await started(prefetch=1)
    await driver.push([job("busy", 1), job("old", 30), job("never", 90)])
    driver.let_age(1.0)
    order = []
    while "old" not in order:
        clock.advance(1.0)
        await driver.push([job(f"flood{clock.now}", 1)])
        delivery = sink.take()
        order.append(delivery.ident)
        driver.settle(delivery, DONE)
    assert 29 <= len(order) <= 32, "once it has waited 29 s"
    assert "never" not in order


async def test_the_shared_queue_counts_what_was_waited_in_the_driver(started, sink: HandSink, clock, job):
    queue = AgingQueue(clock.time)
    queue.agings = {"test": 1.0}
    driver = await started(prefetch=2)
    driver.let_age(1.0)
    await driver.push([job("first", 1), job("second", 1), job("old", 30)])
    first, second = sink.take(), sink.take()
    clock.advance(50)
    driver.settle(first, DONE)
    old = sink.take()
    assert old.ident == "old" and old.since == 100.0
    queue.push(old.priority, old)
    await driver.push([job("fresh", 1)])
    driver.settle(second, DONE)
    fresh = sink.take()
    queue.push(fresh.priority, fresh)
    assert fresh.ident == "fresh" and queue.peek() is old


async def test_what_comes_back_has_waited_all_the_time(started, sink, clock, job):
    driver = await started(prefetch=1)
    driver.let_age(1.0)
    await driver.push([job("back", 30)])
    clock.advance(40)
    sink.drop_all()
    sink.capacity = 1
    await driver.push([job("fresh", 1)])
    assert sink.take().ident == "back"


async def test_a_full_shared_queue_leaves_the_order_as_it_was(started, sink, clock, job):
    sink.capacity = 0
    driver = await started()
    driver.let_age(1.0)
    await driver.push([job("old", 30)])
    clock.advance(40)
    await driver.push([job("fresh", 1), job("next", 1)])
    sink.capacity = 9
    sink.wake()
    assert sink.offered == ["old", "fresh", "next"]
