"""The retry policy: values that are possible, waits that follow, and overrides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.pipeline.config import PipelineConfig
from rrjobs.pipeline.policy import PLAIN, Policy, PolicyError, Retry, checked_changes, parse_changes, written
from rrjobs.runtime.section import Section


def test_waits_grow_by_the_factor_up_to_the_longest():
    retry = Retry(initial_s=2, factor=3, max_s=50, jitter=0)
    assert [retry.delay_s(attempt, 0.5) for attempt in range(1, 6)] == [2, 6, 18, 50, 50]


def test_jitter_moves_a_wait_both_ways_and_never_past_the_longest():
    retry = Retry(initial_s=10, factor=2, max_s=25, jitter=0.5)
    assert [retry.delay_s(1, random) for random in (0, 0.5, 1)] == [5, 10, 15]
    assert retry.delay_s(2, 1) == 25


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(1, 1000), st.floats(0, 1e6))
def test_every_wait_is_possible_however_often_a_job_failed(attempt, random, factor, initial_s):
    delay_s = Retry(initial_s=initial_s, factor=factor, max_s=1e7, jitter=1).delay_s(attempt, random)
    assert 0 <= delay_s <= 1e7


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"max_attempts": 0}, "max_attempts must be 1 to 1000000, got 0"),
        ({"max_attempts": 10**7}, "max_attempts must be 1 to 1000000, got 10000000"),
        ({"factor": 0.5}, "factor must be 1 to 1000, got 0.5"),
        ({"factor": float("nan")}, "factor must be 1 to 1000, got nan"),
        ({"factor": float("inf")}, "factor must be 1 to 1000, got inf"),
        ({"jitter": 1.5}, "jitter must be a part from 0 to 1, got 1.5"),
        ({"initial_s": -1.0}, "initial must be 0 to 100 years (3153600000 seconds), got -1"),
        ({"retry_for_s": float("inf")}, "retry_for must be 0 to 100 years (3153600000 seconds), got inf"),
        ({"initial_s": 60.0, "max_s": 5.0}, "max (5s) is shorter than initial (1m)"),
    ],
)
def test_absurd_values_are_refused_with_one_clear_error(values, text):
    with pytest.raises(PolicyError) as refused:
        Retry(**values)
    assert str(refused.value) == text


def test_an_override_replaces_values_one_by_one():
    base = Policy(3, Retry(max_attempts=5, initial_s=1, max_s=60))
    changed = base.changed(parse_changes("max_attempts=2, initial=500ms, retry_for=1h, max_crashes=1"))
    assert changed == Policy(1, Retry(max_attempts=2, initial_s=0.5, max_s=60, retry_for_s=3600))


def test_an_override_of_the_crashes_alone_gives_no_retry_policy():
    assert PLAIN.changed(parse_changes("max_crashes=1")) == Policy(1, None)


def test_an_override_gives_a_policy_where_the_pipeline_has_none():
    assert PLAIN.changed(parse_changes("max_attempts=2")).retry == Retry(max_attempts=2)


def test_of_first_and_longest_wait_the_one_that_was_not_given_makes_way():
    base = Policy(3, Retry(initial_s=10, max_s=60))
    assert base.changed(parse_changes("initial=2h")).retry == Retry(initial_s=7200, max_s=7200)
    assert base.changed(parse_changes("max=1s")).retry == Retry(initial_s=1, max_s=1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "rr-retry is written max_attempts=5,initial=2s, got ''"),
        ("5", "rr-retry is written max_attempts=5,initial=2s, got '5'"),
        ("tries=5", "tries: there is no such value of a retry policy; there are max_attempts, max_crashes, "),
        ("max_attempts=many", "max_attempts: must be a whole number, got 'many'"),
        ("max_attempts=0", "max_attempts must be 1 to"),
        ("max_crashes=0", "max_crashes must be 1 to"),
        ("initial=-2s", "initial: must not be negative, got '-2s'"),
        ("initial=soon", "initial: must be a duration such as"),
        ("factor=x", "factor: could not convert"),
        ("initial=2s,max=1s", "max (1s) is shorter than initial (2s)"),
    ],
)
def test_an_override_that_cannot_be_is_refused(text, complaint):
    with pytest.raises(PolicyError) as refused:
        parse_changes(text)
    assert complaint in str(refused.value)


@pytest.mark.parametrize("value", [True, None, [], {}])
@pytest.mark.parametrize("name", ["max_attempts", "initial", "factor"])
def test_json_values_of_a_wrong_type_are_refused(name, value):
    with pytest.raises(PolicyError, match=name):
        checked_changes({name: value})


def test_an_override_survives_being_written_and_read():
    changes = parse_changes("max_attempts=7,initial=1m30s,factor=1.5,max=2h,jitter=0.25,retry_for=0,max_crashes=2")
    assert parse_changes(written(changes)) == changes
    assert parse_changes(written(checked_changes({"max_attempts": 1_000_000}))) == {"max_attempts": 1_000_000}


def config(**more: object) -> PipelineConfig:
    return PipelineConfig.model_validate({"driver": "memory", "config": Section(), **more})


def test_a_pipeline_without_a_policy_has_a_limit_of_crashes_alone():
    assert config().failing().policy == Policy(3, None)


def test_a_pipeline_takes_its_policy_from_its_section_with_units_as_the_configuration_writes_them():
    section = {"max_attempts": "4", "initial": "250ms", "factor": 3, "max": 90, "jitter": 0, "retry_for": "2h"}
    assert config(retry=section, max_crashes=1).failing().policy == Policy(1, Retry(4, 0.25, 3, 90, 0, 7200))


def test_a_long_first_wait_raises_the_longest_that_nobody_gave():
    assert config(retry={"initial": "3h"}).failing().policy.retry == Retry(initial_s=10800, max_s=10800)
