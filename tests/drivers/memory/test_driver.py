"""The memory driver, row by row of spec/jobs-and-rpc.md 4.1."""

import pytest

from rrjobs.drivers.memory.driver import MemoryDriver
from rrjobs.errors import AlreadyInState, PushRefused
from rrjobs.pipeline.outcome import DONE, Action, Counter, Outcome

FAILED = Outcome(Action.ACK, Counter.FAILED)


async def counts(driver: MemoryDriver) -> tuple[int, int]:
    state = await driver.state()
    return state.active, state.delayed


async def test_jobs_come_by_priority_and_in_order_among_equals(started, sink, clock, job):
    driver = await started(prefetch=3)
    await driver.push([job("x", 1), job("y", 1), job("z", 1)])
    await driver.push([job(f"{priority}{letter}", priority) for letter in "abc" for priority in (3, 1, 2)])
    order = []
    while len(sink.queue):
        delivery = sink.take()
        order.append(delivery.ident)
        driver.settle(delivery, DONE)
    assert order == ["x", "y", "z", "1a", "1b", "1c", "2a", "2b", "2c", "3a", "3b", "3c"]


async def test_a_delivery_has_no_queue_in_its_context(started, sink, job):
    driver = await started()
    await driver.push([job(1)])
    delivery = sink.take()
    assert delivery.queue is None
    assert delivery.settler.name == "memory"


async def test_prefetch_bounds_what_is_in_the_shared_queue_and_in_workers(started, sink, job):
    driver = await started(prefetch=2)
    await driver.push([job(number) for number in range(5)])
    assert sink.offered == ["0", "1"]
    assert await counts(driver) == (5, 0)
    first = sink.take()
    assert sink.offered == ["0", "1"]
    driver.settle(first, DONE)
    assert sink.offered == ["0", "1", "2"]
    assert await counts(driver) == (4, 0)


async def test_a_full_shared_queue_is_waited_for(started, sink, job):
    sink.capacity = 2
    driver = await started()
    await driver.push([job(number) for number in range(4)])
    await driver.push([job("late", 1)])
    assert sink.offered == ["0", "1"]
    assert len(sink.wakers) == 1
    sink.take()
    assert sink.offered == ["0", "1", "late"]
    assert await counts(driver) == (5, 0)


async def test_a_paused_pipeline_takes_far_more_than_a_hundred_thousand_jobs(started, sink, clock, job):
    driver = await started(consuming=False)
    one = job(1)
    for _ in range(15):
        await driver.push([one] * 10_000)
    assert sink.offered == []
    assert await counts(driver) == (150_000, 0)
    await driver.resume()
    assert 0 < len(sink.offered) < 10_000, "a resume gives the loop a turn in between"
    clock.settle_down()
    assert len(sink.offered) == 100_000


async def test_pause_keeps_back_what_is_not_in_the_shared_queue(started, sink, job):
    driver = await started(prefetch=2)
    await driver.push([job(number) for number in range(4)])
    await driver.pause()
    assert not (await driver.state()).ready
    driver.settle(sink.take(), DONE)
    driver.settle(sink.take(), DONE)
    assert sink.offered == ["0", "1"]
    assert await counts(driver) == (2, 0)
    await driver.resume()
    assert sink.offered == ["0", "1", "2", "3"]


async def test_pause_and_resume_in_that_state_are_errors(started):
    driver = await started()
    with pytest.raises(AlreadyInState, match="memory listener is already in the active state"):
        await driver.resume()
    await driver.pause()
    with pytest.raises(AlreadyInState, match="no active listeners, nothing to pause"):
        await driver.pause()


async def test_delays_end_in_their_order_with_one_timer_however_many_they_are(started, sink, clock, job):
    driver = await started()
    await driver.push([job(number, delay_s=5 + number % 7) for number in range(3000)])
    await driver.push([job("century", delay_s=3.2e9), job("soon", delay_s=1)])
    assert len(clock.armed()) == 1
    assert await counts(driver) == (0, 3002)
    clock.advance(4.999)
    assert sink.offered == ["soon"]
    clock.advance(20)
    assert sink.offered[1:] == [str(number) for group in range(7) for number in range(group, 3000, 7)]
    assert await counts(driver) == (3001, 1)
    clock.advance(3.2e9)
    assert sink.offered[-1] == "century"
    assert clock.armed() == []


async def test_delays_end_while_paused_and_wait_for_the_resume(started, sink, clock, job):
    driver = await started()
    await driver.push([job(1, delay_s=2)])
    await driver.pause()
    clock.advance(3)
    assert await counts(driver) == (1, 0)
    await driver.resume()
    assert sink.offered == ["1"]


@pytest.mark.parametrize("outcome", [DONE, FAILED, Outcome(Action.REJECT, Counter.FAILED)])
async def test_ack_and_reject_drop_the_job(started, sink, clock, job, outcome):
    driver = await started()
    await driver.push([job(1)])
    driver.settle(sink.take(), outcome)
    clock.advance(100)
    assert sink.offered == ["1"]
    assert await counts(driver) == (0, 0)


async def test_reject_with_redelivery_runs_the_same_job_again_after_the_delay(started, sink, clock, job):
    driver = await started()
    await driver.push([job(1, headers={"a": ["1"]}, auto_ack=True)])
    driver.settle(sink.take(), Outcome(Action.REJECT, Counter.REQUEUED, redeliver=True, delay_s=3))
    assert await counts(driver) == (0, 1)
    clock.advance(3)
    again = sink.take().job
    assert (again.id, again.headers, again.auto_ack) == ("1", {"a": ["1"]}, True)


async def test_requeue_merges_headers_replaces_the_delay_and_goes_behind_its_equals(started, sink, job):
    driver = await started(prefetch=1)
    await driver.push([job(1, headers={"a": ["1"], "b": ["2"]}), job(2)])
    headers = {"b": ["3"], "c": ["4"]}
    driver.settle(sink.take(), Outcome(Action.REQUEUE, Counter.REQUEUED, redeliver=True, headers=headers))
    driver.settle(sink.take(), DONE)
    assert sink.offered == ["1", "2", "1"]
    assert sink.take().job.headers == {"a": ["1"], "b": ["3"], "c": ["4"]}


async def test_what_is_given_back_comes_first_and_in_order(started, sink, job):
    driver = await started(prefetch=3)
    await driver.push([job(number) for number in range(5)])
    sink.drop_all()
    assert await counts(driver) == (5, 0)
    sink.capacity = 10
    await driver.push([job("tail")])
    assert sink.offered == ["0", "1", "2", "0", "1", "2"]


async def test_close_drops_everything_and_later_answers_change_nothing(started, sink, clock, job):
    driver = await started(prefetch=2)
    await driver.push([job(number) for number in range(4)] + [job("delayed", delay_s=1)])
    running = sink.take()
    await driver.close()
    assert len(sink.queue) == 0
    assert await counts(driver) == (1, 0), "the one in a worker"
    driver.settle(running, Outcome(Action.REQUEUE, Counter.REQUEUED, redeliver=True))
    clock.advance(10)
    assert await counts(driver) == (0, 0)
    assert clock.armed() == []
    with pytest.raises(PushRefused, match="the pipeline test is closed"):
        await driver.push([job("late")])


@pytest.mark.parametrize(
    ("spec", "prefetch"),
    [({}, 100_000), ({"prefetch": "10"}, 10), ({"prefetch": "many"}, 100_000), ({"prefetch": "-1"}, 100_000)],
)
def test_a_declaration_is_read_with_defaults_for_what_is_no_number(spec, prefetch):
    assert MemoryDriver.declared(spec).prefetch == prefetch
