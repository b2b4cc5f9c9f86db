"""The worker's answer, read from whatever bytes a program sends."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.pipeline.answer import Answer, Unreadable, read_answer
from rrjobs.pipeline.job import MAX_DELAY_S


def answered(kind: object, data: object) -> Answer | Unreadable:
    return read_answer(json.dumps({"type": kind, "data": data}, separators=(",", ":")).encode())


@pytest.mark.parametrize("body", [b'{"type":0,"data":[]}', b'{"type":0}', b'{ "type": 0, "data": null }'])
def test_a_success_is_read(body):
    assert read_answer(body) == Answer(0)


def test_an_error_is_read_with_all_its_fields():
    headers = {"h": ["1"], "attempts": ["2"]}
    data = {"message": "no", "requeue": True, "delay_seconds": 7, "headers": headers}
    assert answered(1, data) == Answer(1, "no", True, 7.0, headers)
    assert answered(1, {"message": "boom", "requeue": False, "delay_seconds": 0}) == Answer(1, "boom")


def test_a_nack_is_read_without_headers():
    data = {"message": "later", "requeue": True, "delay_seconds": 3, "headers": {"a": ["b"]}}
    assert answered(3, data) == Answer(3, "later", True, 3.0)


def test_the_old_key_redelivery_of_a_nack_reads_as_false():
    assert answered(3, {"message": "old", "redelivery": True}) == Answer(3, "old")


def test_a_requeue_is_read_with_its_headers_and_delay():
    data = {"message": "again", "delay_seconds": 5, "headers": {"a": ["b", "c"]}}
    assert answered(4, data) == Answer(4, "again", True, 5.0, {"a": ["b", "c"]})


@pytest.mark.parametrize("data", [[], {}, None])
def test_a_requeue_without_data_changes_nothing_of_the_job(data):
    assert answered(4, data) == Answer(4, requeue=True)


def test_a_failure_may_say_that_no_other_run_is_of_use_or_how_others_are_made():
    assert answered(1, {"message": "m", "retry": False}) == Answer(1, "m", final=True)
    assert answered(3, {"retry": {"max_attempts": 2, "initial": "5s"}}) == Answer(
        3, retry={"max_attempts": 2, "initial_s": 5.0}
    )
    assert answered(1, {"retry": True}) == answered(1, {"retry": None}) == Answer(1)


@pytest.mark.parametrize("kind", [5, 99, -1])
def test_a_type_that_is_not_known_is_kept_as_it_is(kind):
    assert answered(kind, {"message": 5}) == Answer(kind)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b'{"type":"0"}',
        b'{"type":true}',
        b'{"data":[]}',
        b'{"type":1,"data":"text"}',
        b'{"type":1,"data":{"message":5}}',
        b'{"type":1,"data":{"requeue":"yes"}}',
        b'{"type":1,"data":{"requeue":true,"headers":["a"]}}',
        b'{"type":4,"data":{"headers":{"a":"b"}}}',
        b'{"type":4,"data":{"headers":{"a":[1]}}}',
        b'{"type":4,"data":{"delay_seconds":"7"}}',
        b'{"type":3,"data":{"delay_seconds":1.5}}',
        b'{"type":3,"data":{"delay_seconds":true}}',
        b"\xff\xfe",
        b'{"type":1,"data":{"retry":3}}',
        b'{"type":1,"data":{"retry":{"max_attempts":0}}}',
        b'{"type":1,"data":{"retry":{"tries":3}}}',
    ],
)
def test_an_answer_that_cannot_be_read_says_why(body):
    found = read_answer(body)
    assert isinstance(found, Unreadable)
    assert found.reason.startswith("malformed answer: ")


def test_a_delay_before_now_is_none():
    assert answered(4, {"delay_seconds": -5}) == Answer(4, requeue=True)


def test_no_delay_is_longer_than_a_broker_can_count():
    assert answered(4, {"delay_seconds": 2**64 - 1}) == Answer(4, requeue=True, delay_s=float(MAX_DELAY_S))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.dictionaries(st.sampled_from(["message", "requeue", "delay_seconds", "headers", "retry", "x"]), json_values)


@given(st.integers(-1, 6) | json_values, fields | json_values)
def test_whatever_json_a_program_answers_it_is_read(kind, data):
    found = answered(kind, data)
    assert isinstance(found, Unreadable) or found.delay_s >= 0.0


@given(st.binary(max_size=60))
def test_whatever_bytes_a_program_answers_they_are_read(body):
    assert isinstance(read_answer(body), Answer | Unreadable)
