import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.pipeline.outcome import Action, Counter, Outcome, from_answer, from_fault
from rrjobs.worker.load import Fault, FaultKind


def answered(kind: object, data: object) -> Outcome:
    return from_answer(json.dumps({"type": kind, "data": data}, separators=(",", ":")).encode())


@pytest.mark.parametrize("body", [b'{"type":0,"data":[]}', b'{"type":0}', b'{ "type": 0, "data": null }'])
def test_success_is_acked(body):
    outcome = from_answer(body)
    assert (outcome.action, outcome.counter) == (Action.ACK, Counter.OK)


def test_an_error_without_requeue_is_acked_and_counted_as_failed():
    outcome = from_answer(b'{"type":1,"data":{"message":"boom","requeue":false,"delay_seconds":0}}')
    assert (outcome.action, outcome.counter, outcome.reason) == (Action.ACK, Counter.FAILED, "boom")
    assert not outcome.redeliver


def test_an_error_with_requeue_is_requeued_with_its_headers_and_delay():
    headers = {"h": ["1"], "attempts": ["2"]}
    outcome = answered(1, {"message": "no", "requeue": True, "delay_seconds": 7, "headers": headers})
    assert outcome == Outcome(Action.REQUEUE, Counter.REQUEUED, True, 7.0, headers, "no")


def test_an_ack_is_acked():
    outcome = answered(2, [])
    assert (outcome.action, outcome.counter) == (Action.ACK, Counter.OK)


def test_a_nack_with_requeue_is_rejected_for_redelivery_after_its_delay():
    outcome = answered(3, {"message": "later", "requeue": True, "delay_seconds": 3})
    assert outcome == Outcome(Action.REJECT, Counter.REQUEUED, True, 3.0, reason="later")


def test_a_nack_without_requeue_is_rejected_for_good():
    outcome = answered(3, {"message": "never", "requeue": False})
    assert outcome == Outcome(Action.REJECT, Counter.FAILED, False, reason="never")


def test_the_old_key_redelivery_of_a_nack_reads_as_false():
    assert answered(3, {"message": "old", "redelivery": True}).redeliver is False


def test_a_requeue_is_requeued_with_its_headers_and_delay():
    outcome = answered(4, {"message": "again", "delay_seconds": 5, "headers": {"a": ["b", "c"]}})
    assert outcome == Outcome(Action.REQUEUE, Counter.REQUEUED, True, 5.0, {"a": ["b", "c"]}, "again")


@pytest.mark.parametrize("data", [[], {}, None])
def test_a_requeue_without_data_changes_nothing_of_the_job(data):
    outcome = answered(4, data)
    assert (outcome.action, outcome.delay_s, dict(outcome.headers)) == (Action.REQUEUE, 0.0, {})


@pytest.mark.parametrize("kind", [5, 99, -1])
def test_an_unknown_type_is_acked_with_a_word_about_it(kind):
    outcome = answered(kind, [])
    assert (outcome.action, outcome.counter) == (Action.ACK, Counter.OK)
    assert str(kind) in outcome.reason


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
    ],
)
def test_an_answer_that_cannot_be_read_is_acked_and_counted_as_an_error(body):
    outcome = from_answer(body)
    assert (outcome.action, outcome.counter) == (Action.ACK, Counter.ERROR)
    assert outcome.reason.startswith("malformed answer: ")


def test_a_delay_before_now_is_none():
    assert answered(4, {"delay_seconds": -5}).delay_s == 0.0


@pytest.mark.parametrize("kind", list(FaultKind))
def test_an_execution_without_an_answer_is_nacked_and_counted_as_an_error(kind):
    outcome = from_fault(Fault(kind, "why"))
    assert (outcome.action, outcome.counter, outcome.reason) == (Action.NACK, Counter.ERROR, f"{kind}: why")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.dictionaries(st.sampled_from(["message", "requeue", "delay_seconds", "headers", "x"]), json_values)


@given(st.integers(-1, 6) | json_values, fields | json_values)
def test_whatever_json_a_program_answers_there_is_an_outcome(kind, data):
    outcome = answered(kind, data)
    assert outcome.action in (Action.ACK, Action.REJECT, Action.REQUEUE)
    assert outcome.delay_s >= 0.0


@given(st.binary(max_size=60))
def test_whatever_bytes_a_program_answers_there_is_an_outcome(body):
    assert from_answer(body).action is Action.ACK
