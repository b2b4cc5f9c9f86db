"""The priority queue against a sorted list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.pipeline import priority_queue
from rrjobs.pipeline.priority_queue import PriorityQueue

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(-3, 12)),
        st.tuples(st.just("front"), st.integers(-3, 12)),
        st.tuples(st.just("pop"), st.just(0)),
        st.tuples(st.just("take"), st.integers(0, 4)),
    ),
    max_size=120,
)


@pytest.mark.parametrize("buckets", [1024, 3])
@given(steps=STEPS)
def test_it_serves_the_lowest_priority_first_and_equals_in_order(buckets, steps):
    original, priority_queue.MAX_BUCKETS = priority_queue.MAX_BUCKETS, buckets
    try:
        queue: PriorityQueue[int] = PriorityQueue()
        model: list[tuple[int, int]] = []
        for number, (step, value) in enumerate(steps):
            if step == "push":
                queue.push(value, number)
                place = sum(1 for priority, _ in model if priority <= value)
                model.insert(place, (value, number))
            elif step == "front":
                queue.push_front(value, [number, -number])
                place = sum(1 for priority, _ in model if priority < value)
                model[place:place] = [(value, number), (value, -number)]
            elif step == "pop" and model:
                assert queue.peek() == model[0][1]
                assert queue.pop() == model.pop(0)[1]
            elif step == "take":
                taken = queue.take(lambda item, value=value: item % 5 == value)
                assert taken == [item for _, item in model if item % 5 == value]
                model = [one for one in model if one[1] % 5 != value]
            assert len(queue) == len(model)
        assert [queue.pop() for _ in range(len(queue))] == [item for _, item in model]
    finally:
        priority_queue.MAX_BUCKETS = original


def test_an_empty_queue_has_nothing_to_give():
    queue: PriorityQueue[int] = PriorityQueue()
    assert queue.peek() is None
    with pytest.raises(IndexError):
        queue.pop()
