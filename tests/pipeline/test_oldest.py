"""Since when somebody waits: never too early, and late only by what left meanwhile."""

from hypothesis import given
from hypothesis import strategies as st

from rrjobs.pipeline.oldest import Oldest


@given(st.lists(st.tuples(st.floats(0.01, 5), st.sampled_from(["put", "first", "last", "all"])), max_size=80))
def test_the_mark_is_a_moment_since_which_somebody_waits(steps):
    now, waiting = 0.0, list[float]()
    oldest = Oldest(lambda: now)
    for pause_s, step in steps:
        now += pause_s
        if step == "put":
            waiting.append(now)
            oldest.came()
        elif waiting:
            gone = len(waiting) if step == "all" else 1
            waiting = waiting[:-1] if step == "last" else waiting[gone:]
            oldest.left(gone, len(waiting))
        if waiting:
            assert waiting[0] <= oldest.since <= now


def test_a_backlog_grows_older_while_it_is_worked_off():
    now = 0.0
    oldest = Oldest(lambda: now)
    oldest.came()
    oldest.left(1, 999)
    for left in range(998, 0, -1):
        now += 0.01
        oldest.left(1, left)
    assert now - oldest.since > 9.0


def test_a_queue_that_flows_is_as_old_as_its_waits():
    now = 0.0
    oldest = Oldest(lambda: now)
    oldest.came()
    ages = []
    for _ in range(1000):  # one comes, one goes, three wait: each for three steps
        now += 0.01
        oldest.left(1, 3)
        ages.append(now - oldest.since)
    assert 0.02 <= max(ages) <= 0.031
