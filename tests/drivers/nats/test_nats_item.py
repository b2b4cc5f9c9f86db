"""The JSON of a job, as RoadRunner writes and reads it, and whatever else a stream may hold."""

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from rrjobs.drivers.nats.item import SUBJECT, decode_job, encode_job, nats_headers
from rrjobs.pipeline.job import Job

BY_ROADRUNNER = (
    b'{"job":"App\\\\Job","id":"id-1","payload":"aGVsbG8A/w==","options":{"priority":3,"pipeline":"test","auto_ack":true,'
    b'"Queue":"default"}}'
)
NAMES = some.text(max_size=20)
JOBS = some.builds(
    Job,
    some.text(min_size=1, max_size=30),
    some.text(min_size=1, max_size=30),
    some.binary(max_size=300),
    some.just("p"),
    some.integers(-(2**53), 2**53).filter(bool),
    some.just(0.0),
    some.booleans(),
    some.dictionaries(NAMES, some.lists(NAMES, max_size=3), max_size=4),
)


def test_what_roadrunner_wrote_is_read_with_the_headers_of_nats():
    job = decode_job(BY_ROADRUNNER, "jobs.mail", {"h": ["v", "w"], "Nats-Msg-Id": ["x"]}, "here", 7)
    assert (job.id, job.name, job.payload) == ("id-1", "App\\Job", b"hello\x00\xff")
    assert (job.priority, job.auto_ack, job.pipeline) == (3, True, "here")
    assert job.headers == {"h": ["v", "w"], SUBJECT: ["jobs.mail"]}


def test_what_roadrunner_reads_is_written():
    item = orjson.loads(encode_job(Job("i", "n", b"\x00\xff", "p", 3, 7.0, True)))
    assert item == {
        "job": "n",
        "id": "i",
        "payload": base64.b64encode(b"\x00\xff").decode(),
        "options": {"priority": 3, "pipeline": "p", "delay": 7, "auto_ack": True},
    }


@given(JOBS)
def test_a_job_survives(job: Job):
    found = decode_job(encode_job(job), "s", nats_headers(job.headers), "p", 1)
    assert (found.id, found.name, found.payload, found.priority) == (job.id, job.name, job.payload, job.priority)
    assert found.auto_ack == job.auto_ack
    assert {name: found.headers[name] for name in job.headers if name != SUBJECT} == {
        name: values for name, values in job.headers.items() if name != SUBJECT
    }


@given(some.binary(max_size=200))
def test_a_body_that_says_nothing_of_jobs_is_a_foreign_job(body: bytes):
    job = decode_job(body, "s", None, "p", 7)
    assert (job.name, job.payload, job.priority) == ("deduced_by_rr", body, 7)


@pytest.mark.parametrize(
    "change",
    [{"payload": 7}, {"payload": "*"}, {"options": 5}, {"headers": []}, {"headers": {"a": 1}}, {"id": 7}, {"job": []}],
)
def test_a_job_that_cannot_be_read_is_told(change):
    item = {**orjson.loads(BY_ROADRUNNER), **change}
    if change == {"headers": []}:
        assert decode_job(orjson.dumps(item), "s", None, "p", 7).id == "id-1"
        return
    with pytest.raises(ValueError, match=r"`?(payload|options|headers|header|id|job)`?"):
        decode_job(orjson.dumps(item), "s", None, "p", 7)


@given(some.dictionaries(NAMES, some.lists(NAMES, max_size=2), max_size=5))
def test_headers_of_nats_are_only_what_its_lines_can_carry(headers):
    for name, values in (nats_headers(headers) or {}).items():
        assert name.isascii() and name.isprintable() and ":" not in name and " " not in name
        assert list(values) == headers[name] and values


def test_what_roadrunner_reads_of_headers_is_every_value():
    assert nats_headers({"h": ["v", "w", ""], "two words": ["x"], "none": []}) == {"h": ["v", "w", ""]}


def test_a_pushed_job_may_give_orders_to_the_server_and_its_copies_do_not_repeat_them():
    pushed = {"Nats-Msg-Id": ["once"], "h": ["v"]}
    assert nats_headers(pushed) == pushed
    assert nats_headers({**pushed, SUBJECT: ["mail"]}) == {"h": ["v"], SUBJECT: ["mail"]}
