"""When the collector is kept away from a crowd, and when it gets everything back."""

from hypothesis import given
from hypothesis import strategies as st

from rrjobs.runtime.crowd import STEP, Crowd, Head


class Collector:
    """Counts what it was told."""

    def __init__(self) -> None:
        self.frozen = 0
        self.freed = 0

    def freeze(self) -> None:
        self.frozen += 1

    def unfreeze(self) -> None:
        self.freed += 1


def test_a_growing_crowd_is_frozen_step_by_step_and_freed_when_it_has_gone():
    collector = Collector()
    head = Head(Crowd(collector.freeze, collector.unfreeze))
    for size in range(0, 10 * STEP + 1, 100):
        head.count(size)
    assert (collector.frozen, collector.freed) == (10, 0)
    for size in range(10 * STEP, -1, -100):
        head.count(size)
    assert (collector.frozen, collector.freed) == (10, 1)


def test_a_small_queue_never_touches_the_collector():
    collector = Collector()
    head = Head(Crowd(collector.freeze, collector.unfreeze))
    for size in [0, 500, STEP - 1, 3, 0, STEP - 1]:
        head.count(size)
    assert (collector.frozen, collector.freed) == (0, 0)


def test_a_crowd_that_sways_is_not_frozen_again():
    collector = Collector()
    head = Head(Crowd(collector.freeze, collector.unfreeze))
    for _ in range(50):
        head.count(3 * STEP)
        head.count(STEP)
    assert (collector.frozen, collector.freed) == (1, 0)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3 * STEP)), max_size=30))
def test_empty_queues_leave_nothing_frozen(changes):
    collector = Collector()
    crowd = Crowd(collector.freeze, collector.unfreeze)
    heads = [Head(crowd) for _ in range(3)]
    for which, size in changes:
        heads[which].count(size)
    for head in heads:
        head.count(0)
    assert not collector.frozen or collector.freed
    assert crowd._frozen_at == crowd._total == 0
