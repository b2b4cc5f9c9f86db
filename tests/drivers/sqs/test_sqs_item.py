"""Jobs as messages of SQS: RoadRunner's attributes, bodies that SQS takes, messages of others, garbage."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.drivers.sqs.item import decode_job, encode_job, group_of, is_copy
from rrjobs.pipeline.job import Job

XML = re.compile("[\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
"""What SQS takes as a body."""

TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1, max_size=40)


def received(message, **system):
    """As SQS delivers what was sent."""
    system = {"SentTimestamp": "1700000000123", "ApproximateReceiveCount": "1", **system}
    return {
        "MessageId": "m-1",
        "ReceiptHandle": "r-1",
        "Body": message.body,
        "MessageAttributes": message.attributes,
        "Attributes": system,
    }


def test_attributes_are_those_that_roadrunner_writes():
    job = Job("id-1", "App\\Ping", b'{"a":1}', "p", 7, 3.0, True, {"h": ["1", "2"]})
    assert encode_job(job).attributes == {
        "rr_id": {"DataType": "String", "StringValue": "id-1"},
        "rr_job": {"DataType": "String", "StringValue": "App\\Ping"},
        "rr_delay": {"DataType": "String", "StringValue": "3"},
        "rr_headers": {"DataType": "Binary", "BinaryValue": b'{"h":["1","2"]}'},
        "rr_priority": {"DataType": "Number", "StringValue": "7"},
        "rr_auto_ack": {"DataType": "String", "StringValue": "true"},
    }
    assert encode_job(job).body == '{"a":1}'


@given(
    payload=st.one_of(st.binary(max_size=300), st.text(max_size=100).map(lambda text: text.encode(errors="replace"))),
    name=TEXT,
    headers=st.dictionaries(TEXT, st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=3), max_size=4),
    priority=st.integers(1, 2**40),
    auto_ack=st.booleans(),
)
def test_whatever_is_pushed_is_received_and_sqs_takes_its_body(payload, name, headers, priority, auto_ack):
    message = encode_job(Job("id", name, payload, "p", priority, 0.0, auto_ack, headers))
    assert XML.fullmatch(message.body)
    job = decode_job(received(message), "p", 10)
    assert (job.id, job.name, job.payload, job.priority, job.auto_ack) == ("id", name, payload, priority, auto_ack)
    assert {key: job.headers[key] for key in headers} == headers
    assert job.headers["ApproximateReceiveCount"] == ["1"] and job.pushed_at == 1700000000.123


def test_texts_that_sqs_takes_go_as_they_are_and_all_else_as_base64():
    assert encode_job(Job("a", "n", "größe \n\t".encode(), "p")).body == "größe \n\t"
    for payload in (b"\x00", b"\xff\xfe", "\ufffe".encode(), b"a\x0b"):
        message = encode_job(Job("a", "n", payload, "p"))
        assert base64.b64decode(message.body) == payload
        assert message.attributes["rr_encoding"]["StringValue"] == "base64"


def test_a_copy_leaves_behind_what_sqs_wrote_and_is_known_as_one():
    job = decode_job(
        received(encode_job(Job("a", "n", b"x", "p", headers={"own": ["1"]})), MessageGroupId="g"), "p", 10
    )
    assert is_copy(job) and group_of(job, "default") == "g"
    assert (
        encode_job(job.again(1.0, {"more": ["2"]})).attributes["rr_headers"]["BinaryValue"]
        == b'{"own":["1"],"more":["2"]}'
    )
    assert not is_copy(Job("a", "n", b"x", "p")) and group_of(Job("a", "n", b"x", "p"), "default") == "default"


def test_a_message_of_somebody_else_has_all_its_attributes_as_headers():
    message = {
        "MessageId": "m",
        "Body": "hello",
        "Attributes": {"SenderId": "AID"},
        "MessageAttributes": {
            "kind": {"DataType": "String", "StringValue": "mail"},
            "weight": {"DataType": "Number.float", "StringValue": "1.5"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\xffx"},
        },
    }
    job = decode_job(message, "p", 4)
    assert (job.name, job.payload, job.priority, job.auto_ack) == ("deduced_by_rr", b"hello", 4, False)
    assert job.headers == {"kind": ["mail"], "weight": ["1.5"], "raw": ["\ufffdx"], "SenderId": ["AID"]}


@pytest.mark.parametrize(
    "attributes",
    [
        {"rr_headers": {"DataType": "Binary", "BinaryValue": b"{no"}},
        {"rr_headers": {"DataType": "Binary", "BinaryValue": b'{"a":"not a list"}'}},
        {"rr_encoding": {"DataType": "String", "StringValue": "base64"}},
        {"rr_encoding": {"DataType": "String", "StringValue": "rot13"}},
    ],
)
def test_what_says_that_it_is_a_job_and_cannot_be_read_is_told(attributes):
    with pytest.raises(ValueError, match="rr_"):
        decode_job({"MessageId": "m", "Body": "*", "MessageAttributes": attributes}, "p", 10)


@given(
    st.dictionaries(TEXT, st.sampled_from([{"DataType": "String"}, {"DataType": "Binary", "BinaryValue": b"\x00"}, {}]))
)
def test_garbage_is_a_job_or_a_value_error(attributes):
    job = decode_job({"Body": "x", "MessageAttributes": attributes, "Attributes": {"SentTimestamp": "?"}}, "p", 10)
    assert job.payload == b"x" and job.pushed_at == 0.0
