import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.pipeline.prefetch import BUDGET_S, MAX_DEPTH, MIN_SAMPLES, Prefetch


def measured(*samples_s: float, kind: str = "ping") -> Prefetch:
    prefetch = Prefetch({"jobs": "auto"})
    for sample_s in samples_s:
        prefetch.observed(kind, 1, sample_s)
    return prefetch


def test_an_unknown_kind_goes_one_by_one():
    assert Prefetch({"jobs": "auto"}).depth("jobs", "never seen") == 1


def test_a_mode_without_setting_goes_one_by_one():
    assert Prefetch({"jobs": 8}).depth("http", "GET /") == 1


def test_a_few_fast_samples_prove_nothing():
    assert measured(*[0.0001] * (MIN_SAMPLES - 1)).depth("jobs", "ping") == 1


def test_a_fast_and_uniform_kind_rides_deep():
    assert measured(*[0.0001] * MIN_SAMPLES).depth("jobs", "ping") == pytest.approx(BUDGET_S / 0.0001, abs=1)


def test_the_fastest_kind_rides_no_deeper_than_the_limit():
    assert measured(*[0.0] * 100).depth("jobs", "ping") == MAX_DEPTH


def test_a_slow_kind_goes_one_by_one():
    assert measured(*[0.5] * 100).depth("jobs", "ping") == 1


def test_one_slow_execution_ends_the_ride_and_keeps_it_ended():
    prefetch = measured(*[0.0001] * 500)
    assert prefetch.depth("jobs", "ping") > 1
    prefetch.observed("ping", 1, 1.0)
    assert prefetch.depth("jobs", "ping") == 1
    for _ in range(500):
        prefetch.observed("ping", 1, 0.0001)
    assert prefetch.depth("jobs", "ping") == 1


def test_a_kind_that_has_been_fast_for_long_is_trusted_again():
    prefetch = measured(*[0.0001] * 10, 0.1, *[0.0001] * 10_000)
    assert prefetch.depth("jobs", "ping") > 1


def test_kinds_are_measured_apart():
    prefetch = measured(*[0.0001] * 100)
    for _ in range(100):
        prefetch.observed("slow", 1, 0.5)
    assert prefetch.depth("jobs", "ping") > 1
    assert prefetch.depth("jobs", "slow") == 1


@pytest.mark.parametrize("depth", [1, 4, 64])
def test_a_fixed_depth_stands_whatever_is_measured(depth):
    prefetch = Prefetch({"jobs": depth})
    for sample_s in [0.0001] * 100 + [5.0]:
        prefetch.observed("ping", 1, sample_s)
        assert prefetch.depth("jobs", "ping") == depth


@pytest.mark.parametrize(
    ("settings", "deep"),
    [({"jobs": 1}, False), ({"jobs": 1, "http": 1}, False), ({"jobs": 2}, True), ({"http": 1, "jobs": "auto"}, True)],
)
def test_it_is_known_whether_anything_may_ever_be_written_ahead(settings, deep):
    assert Prefetch(settings).deep is deep


def test_more_kinds_than_can_be_remembered_go_one_by_one():
    prefetch = Prefetch({"jobs": "auto"})
    for number in range(2000):
        prefetch.observed(f"kind {number}", 100, 0.001)
    assert prefetch.depth("jobs", "kind 0") > 1
    assert prefetch.depth("jobs", "kind 1999") == 1


@given(st.lists(st.tuples(st.integers(1, 64), st.floats(0, 100)), max_size=60))
def test_a_depth_is_always_within_its_bounds(samples):
    prefetch = Prefetch({"jobs": "auto"})
    for finished, elapsed_s in samples:
        prefetch.observed("ping", finished, elapsed_s)
        assert 1 <= prefetch.depth("jobs", "ping") <= MAX_DEPTH
