"""JSON on protobuf messages: what is written can be read back, and nothing else breaks the reader."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.errors import RpcError
from rrjobs.rpc.jsonpb import dump_json, parse_json
from rrjobs.rpc.messages import CLASSES
from rrjobs.rpc.schema import MESSAGES

text = st.text(max_size=8)
int64 = st.integers(-(2**63), 2**63 - 1)
jobs = st.fixed_dictionaries(
    {},
    optional={
        "job": text,
        "id": text,
        "payload": st.binary(max_size=12),
        "headers": st.dictionaries(text, st.lists(text, max_size=3).map(lambda held: {"value": held}), max_size=3),
        "options": st.fixed_dictionaries(
            {},
            optional={
                "priority": int64,
                "pipeline": text,
                "delay": int64,
                "auto_ack": st.booleans(),
                "partition": st.integers(-(2**31), 2**31 - 1),
            },
        ),
    },
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text | st.sampled_from(["jobs", "job"]), inner),
    max_leaves=8,
)


@given(st.lists(jobs, max_size=3))
def test_a_message_survives_json(wanted):
    message = CLASSES["PushBatchRequest"](jobs=wanted)
    body = dump_json("PushBatchRequest", message)
    assert parse_json("PushBatchRequest", body) == message


@given(st.sampled_from(sorted(MESSAGES)), anything)
def test_any_json_is_read_or_refused_in_words(name, value):
    try:
        parse_json(name, json.dumps(value).encode())
    except RpcError as err:
        assert str(err).startswith(("json: ", "the body is not JSON"))


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_in_words(name, body):
    try:
        parse_json(name, body)
    except RpcError as err:
        assert str(err).startswith(("json: ", "the body is not JSON"))


@pytest.mark.parametrize("value", [None, {}, {"pipelines": None}, {"nope": {"deep": [1]}}])
def test_null_and_unknown_keys_leave_the_zero_value(value):
    assert parse_json("Pipelines", json.dumps(value).encode()) == CLASSES["Pipelines"]()


def test_integers_of_64_bits_are_numbers():
    assert dump_json("Stat", CLASSES["Stat"](active=2**53 + 1)) == b'{"active":9007199254740993}'
