"""Both codecs: round trips, the byte examples of spec/worker-and-http.md 1.8, the protobuf runtime as judge."""

from typing import Any

import orjson
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.drivers.http import codec_json, codec_protobuf
from rrjobs.protocol.frame import CODEC_PROTO, data_frame

_FIELD = descriptor_pb2.FieldDescriptorProto


def _schema() -> tuple[Any, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="http.proto", package="http.v1", syntax="proto3")
    value = file.message_type.add(name="HeaderValue")
    value.field.add(name="value", number=1, type=_FIELD.TYPE_BYTES, label=_FIELD.LABEL_REPEATED)
    request = file.message_type.add(name="Request")
    for number, name in [(1, "remote_addr"), (2, "protocol"), (3, "method"), (4, "uri"), (7, "raw_query")]:
        request.field.add(name=name, number=number, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    request.field.add(name="parsed", number=8, type=_FIELD.TYPE_BOOL, label=_FIELD.LABEL_OPTIONAL)
    request.field.add(name="uploads", number=9, type=_FIELD.TYPE_BYTES, label=_FIELD.LABEL_OPTIONAL)
    for number, name in [(5, "header"), (6, "cookies"), (10, "attributes")]:
        _add_map(request, "Request", name, number)
    response = file.message_type.add(name="Response")
    response.field.add(name="status", number=1, type=_FIELD.TYPE_INT64, label=_FIELD.LABEL_OPTIONAL)
    _add_map(response, "Response", "headers", 2)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return tuple(
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"http.v1.{name}"))
        for name in ("Request", "Response")
    )


def _add_map(message: Any, owner: str, name: str, number: int) -> None:
    entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    entry.field.add(
        name="value", number=2, type=_FIELD.TYPE_MESSAGE, label=_FIELD.LABEL_OPTIONAL, type_name=".http.v1.HeaderValue"
    )
    type_name = f".http.v1.{owner}.{entry.name}"
    message.field.add(
        name=name, number=number, type=_FIELD.TYPE_MESSAGE, label=_FIELD.LABEL_REPEATED, type_name=type_name
    )


REQUEST, RESPONSE = _schema()

text = st.text(max_size=20)
foreign = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
headers = st.dictionaries(text, st.lists(foreign, min_size=1, max_size=3), max_size=4)
contexts = st.tuples(text, text, text, text, headers, st.dictionaries(text, text, max_size=3), text, st.booleans())


@given(contexts, st.binary(max_size=30))
def test_protobuf_contexts_mean_the_same_to_the_protobuf_runtime(values, uploads):
    message = REQUEST.FromString(codec_protobuf.encode_context(*values, uploads))
    remote, protocol, method, uri, sent, cookies, query, parsed = values
    assert (message.remote_addr, message.protocol, message.method, message.uri) == (remote, protocol, method, uri)
    assert {name: list(value.value) for name, value in message.header.items()} == {
        name: [one.encode("utf-8", "surrogateescape") for one in values] for name, values in sent.items()
    }
    assert {name: list(value.value) for name, value in message.cookies.items()} == {
        name: [value.encode()] for name, value in cookies.items()
    }
    assert (message.raw_query, message.parsed, message.uploads) == (query, parsed, uploads)
    assert not message.attributes


@given(
    st.integers(-(2**63), 2**63 - 1), st.dictionaries(text, st.lists(st.binary(max_size=20), max_size=3), max_size=4)
)
def test_protobuf_heads_are_read_as_the_protobuf_runtime_writes_them(status, values):
    message = RESPONSE(status=status)
    for name, items in values.items():
        message.headers[name].value.extend(items)
    expected = {name: [one.decode("utf-8", "surrogateescape") for one in items] for name, items in values.items()}
    assert codec_protobuf.decode_head(message.SerializeToString()) == (status, expected)


def test_unknown_fields_of_every_wire_type_are_skipped():
    known = RESPONSE(status=204).SerializeToString()
    unknown = b"\x18\x05" + b"\x21" + bytes(8) + b"\x2a\x02ab" + b"\x35" + bytes(4)
    assert codec_protobuf.decode_head(unknown + known + unknown) == (204, {})


@given(st.binary(max_size=60))
def test_junk_is_never_more_than_a_value_error(junk):
    for decode in (codec_protobuf.decode_head, codec_json.decode_head):
        try:
            status, found = decode(junk)
        except ValueError:
            continue
        assert isinstance(status, int) and isinstance(found, dict)


@given(st.integers(0, 599), st.dictionaries(text, st.lists(st.binary(max_size=9), max_size=2), max_size=3), st.data())
def test_a_truncated_head_is_refused_or_a_shorter_head(status, values, data):
    message = RESPONSE(status=status)
    for name, items in values.items():
        message.headers[name].value.extend(items)
    whole = message.SerializeToString()
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        ours = codec_protobuf.decode_head(cut)
    except ValueError:
        ours = None
    try:
        theirs = RESPONSE.FromString(cut)
    except Exception:  # the runtime has its own error type
        theirs = None
    assert (ours is None) == (theirs is None)


@given(contexts)
def test_json_contexts_have_all_ten_keys_and_only_sound_text(values):
    told = orjson.loads(codec_json.encode_context(*values, b'{"f":1}'))
    remote, protocol, method, uri, sent, cookies, query, parsed = values
    assert told == {
        "remoteAddr": remote,
        "protocol": protocol,
        "method": method,
        "uri": uri,
        "headers": {name: [_replaced(one) for one in items] for name, items in sent.items()},
        "cookies": cookies,
        "rawQuery": query,
        "parsed": parsed,
        "uploads": {"f": 1},
        "attributes": {},
    }


def _replaced(value: str) -> str:
    return "".join("\ufffd" if "\udc80" <= sign <= "\udcff" else sign for sign in value)


def test_without_uploads_the_json_key_is_null():
    assert orjson.loads(codec_json.encode_context("", "", "", "", {}, {}, "", False, b""))["uploads"] is None


def test_foreign_bytes_in_every_json_text_are_replaced():
    bad = "\udcff"
    told = orjson.loads(codec_json.encode_context(bad, "", "", bad, {"A": [bad]}, {"c": bad}, bad, False, b""))
    assert {told[key] for key in ("remoteAddr", "uri", "rawQuery")} == {"\ufffd"}
    assert (told["headers"], told["cookies"]) == ({"A": ["\ufffd"]}, {"c": "\ufffd"})


def test_the_protobuf_request_of_the_specification_byte_for_byte():
    context = codec_protobuf.encode_context(
        "127.0.0.1", "HTTP/1.1", "GET", "http://h/?a=1", {"X-A": ["1", "2"]}, {}, "a=1", False, b""
    )
    expected = (
        "14803d000000c071229a00003d0000000a093132372e302e302e311208485454502f312e311a034745542"
        "20d687474703a2f2f682f3f613d312a0d0a03582d4112060a01310a01323a03613d31"
    )
    assert data_frame(context, b"", CODEC_PROTO).hex() == expected


def test_the_answers_of_the_specification():
    assert codec_protobuf.decode_head(bytes.fromhex("08c801120a0a03582d4112030a0131")) == (200, {"X-A": ["1"]})
    assert codec_json.decode_head(b'{"status":200,"headers":{"X-A":["1"]}}') == (200, {"X-A": ["1"]})
    assert codec_json.decode_head(b'{"status":200,"headers":{}}') == (200, {})


def test_long_texts_have_long_lengths():
    message = REQUEST.FromString(codec_protobuf.encode_context("", "", "", "x" * 300, {}, {}, "y" * 70_000, True, b""))
    assert (len(message.uri), len(message.raw_query), message.parsed) == (300, 70_000, True)


@pytest.mark.parametrize("tag", [b"\x00", b"\x0b", b"\x0c", b"\x0e", b"\x0f", b"\xff" * 11])
def test_tags_that_do_not_exist_are_refused(tag):
    with pytest.raises(ValueError):
        codec_protobuf.decode_head(tag + b"\x01")
