"""The codec: what is written is read, by us and by pamqp; what others write is read as RoadRunner reads it."""

import contextlib
import struct
from datetime import UTC, datetime
from decimal import Decimal as PyDecimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, header
from pamqp import frame as pamqp_frame

from rrjobs.drivers.amqp.frames import (
    HEADER,
    Content,
    ack_frame,
    confirm_of,
    content_frames,
    delivery_of,
    frame,
    nack_frame,
    publish_method,
)
from rrjobs.drivers.amqp.message import DUE, MessageIds, decode_job, encode_job, routing_key_of
from rrjobs.drivers.amqp.properties import decode_header
from rrjobs.drivers.amqp.tables import MOST_DEPTH, Decimal, Moment, as_headers, decode_table
from rrjobs.pipeline.job import Job

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
headers_of_jobs = st.dictionaries(
    texts.filter(lambda name: not name.startswith(("rr_", "x-"))), st.lists(texts, min_size=1, max_size=3), max_size=4
)
jobs = st.builds(
    Job,
    id=texts.filter(bool),
    name=texts.filter(bool),
    payload=st.binary(max_size=300),
    pipeline=st.just("p"),
    priority=st.integers(-(2**63), 2**63 - 1).filter(bool),
    delay_s=st.floats(0, 1e12),
    auto_ack=st.booleans(),
    headers=headers_of_jobs,
)


@given(jobs)
def test_a_job_comes_back_as_it_was(job):
    received = decode_job(encode_job(job, b"rrjobs-1", now=1_700_000_000.9), False, "p", 10)
    found = received.job
    for name in ("id", "name", "payload", "pipeline", "priority", "auto_ack"):
        assert getattr(found, name) == getattr(job, name)
    assert {name: list(values) for name, values in found.headers.items()} == job.headers
    assert (found.pushed_at, received.earlier, received.due) == (1_700_000_000.0, 0, 0)


@given(jobs)
def test_another_library_reads_the_table_that_roadrunner_reads(job):
    content = encode_job(job, b"rrjobs-1", now=1_700_000_000.0)
    _, channel, parsed = pamqp_frame.unmarshal(frame(HEADER, 7, content.header))
    assert isinstance(parsed, header.ContentHeader) and channel == 7
    assert parsed.body_size == len(job.payload)
    properties = parsed.properties
    assert (properties.content_type, properties.delivery_mode) == ("application/octet-stream", 2)
    assert properties.timestamp == datetime.fromtimestamp(1_700_000_000, UTC)
    table = properties.headers
    assert set(table) == {
        "rr_id", "rr_job", "rr_pipeline", "rr_headers", "rr_delay", "rr_priority", "rr_auto_ack"
    }  # fmt: skip
    assert (table["rr_id"], table["rr_job"], table["rr_priority"]) == (job.id, job.name, job.priority)
    assert isinstance(table["rr_headers"], bytes | bytearray) and table["rr_auto_ack"] is job.auto_ack


def test_the_bytes_of_a_table_are_those_of_roadrunner():
    job = Job("i", "n", b"", "p", 3, delay_s=5.0, auto_ack=True, headers={"a": ["b"]})
    header_bytes = encode_job(job, b"rrjobs-1", now=0.0).header
    at = header_bytes.index(b"\x05rr_id")
    table = header_bytes[at : header_bytes.index(b"\x02", header_bytes.index(b"rr_auto_ack"))]
    assert table == (
        b"\x05rr_idS\0\0\0\x01i\x06rr_jobS\0\0\0\x01n\x0brr_pipelineS\0\0\0\x01p"
        b'\x0arr_headersx\0\0\0\x0b{"a":["b"]}\x08rr_delayI\0\0\0\x05'
        b"\x0brr_priorityl\0\0\0\0\0\0\0\x03\x0brr_auto_ackt\x01"
    )


def foreign(table, body=b"body", **properties):
    made = header.ContentHeader(body_size=len(body), properties=commands.Basic.Properties(headers=table, **properties))
    return Content(pamqp_frame.marshal(made, 1)[7:-1], body)


def test_what_others_write_is_shown_as_roadrunner_shows_it():
    moment = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
    table = {
        "text": "t", "number": 70_000,
        "big": 2**40, "small": -5, "yes": True, "fraction": 1.5, "bytes": bytearray(b"b"),
        "list": ["a", 1, ["c"]], "table": {"inner": "i"}, "when": moment, "decimal": PyDecimal("12.34"), "void": None,
    }  # fmt: skip
    received = decode_job(foreign(table), False, "p", 7)
    assert received.job.headers == {
        "text": ["t"], "number": ["70000"], "big": ["1099511627776"], "small": ["-5"], "yes": ["true"],
        "fraction": ["1.50000"], "bytes": ["b"], "list": ["a", "1", "c"], "inner": ["i"],
        "when": ["2024-02-29T12:30:00Z"], "decimal": ["12.34"],
    }  # fmt: skip
    assert (received.job.name, received.job.priority, received.job.payload) == ("deduced_by_rr", 7, b"body")
    assert received.job.id and decode_job(foreign(table), False, "p", 7).job.id != received.job.id


def test_a_message_without_anything_is_a_job():
    made = header.ContentHeader(body_size=1, properties=commands.Basic.Properties())
    received = decode_job(Content(pamqp_frame.marshal(made, 1)[7:-1], b"x"), True, "p", 10)
    assert (received.job.headers, received.earlier) == ({}, 1)


def test_all_properties_that_there_can_be_are_passed_over():
    content = foreign(
        {"rr_id": "1", "rr_job": "J"}, content_type="t", content_encoding="e", delivery_mode=1, priority=4,
        correlation_id="c", reply_to="r", expiration="100", message_id="m", timestamp=datetime(2020, 1, 1, tzinfo=UTC),
        message_type="y", user_id="u", app_id="a",
    )  # fmt: skip
    properties = decode_header(content.header)
    assert (properties.message_id, properties.timestamp) == ("m", 1_577_836_800)
    assert decode_job(content, False, "p", 10).job.id == "1"


@pytest.mark.parametrize("width", ["b", "s", "I", "l"])
def test_integers_of_every_width_are_a_priority(width):
    form = {"b": ">b", "s": ">h", "I": ">i", "l": ">q"}[width]
    table = b"\x0brr_priority" + width.encode() + struct.pack(form, 5)
    assert decode_table(table, 0, len(table)) == {"rr_priority": 5}


@given(st.binary(max_size=120))
def test_garbage_is_a_table_or_a_value_error_and_nothing_else(data):
    with contextlib.suppress(ValueError):
        assert isinstance(as_headers(decode_table(data, 0, len(data))), dict)


@given(jobs, st.data())
def test_a_header_that_is_cut_or_changed_is_a_job_or_a_value_error(job, data):
    good = encode_job(job, b"rrjobs-1", now=1.0)
    cut = data.draw(st.integers(0, len(good.header)))
    flipped = bytearray(good.header)
    if flipped:
        at = data.draw(st.integers(0, len(flipped) - 1))
        flipped[at] ^= data.draw(st.integers(1, 255))
    for header_bytes in (good.header[:cut], bytes(flipped)):
        with contextlib.suppress(ValueError):
            assert isinstance(decode_job(Content(header_bytes, b""), False, "p", 10).job, Job)


def test_tables_without_end_are_refused():
    data = b""
    for _ in range(MOST_DEPTH + 5):
        data = b"\x01aF" + len(data).to_bytes(4, "big") + data
    with pytest.raises(ValueError, match="nested too deeply"):
        decode_table(data, 0, len(data))


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"rr_headers": bytearray(b"{no")}, "rr_headers is not JSON"),
        ({"rr_headers": bytearray(b"[1]")}, "rr_headers is not a JSON object"),
        ({"rr_headers": bytearray(b'{"a": 1}')}, "`a` is not a list of texts"),
        ({"rr_id": 5}, "rr_id is not a text"),
    ],
)
def test_what_says_it_is_a_job_and_is_none_is_told_by_name(table, reason):
    with pytest.raises(ValueError, match=reason):
        decode_job(foreign(table), False, "p", 10)


def test_a_quorum_queue_counts_deliveries_and_its_count_does_not_travel():
    received = decode_job(foreign({"rr_id": "1", "x-delivery-count": 4}), True, "p", 10)
    assert (received.earlier, dict(received.job.headers)) == (4, {})


def test_the_broker_tells_of_real_dead_lettering_but_not_of_our_delays():
    ours = {"x-first-death-queue": "delayed-1000.e.q.rrjobs", "x-first-death-reason": "expired", "a": "b"}
    assert decode_job(foreign(ours), False, "p", 10).job.headers == {"a": ["b"]}
    theirs = {"x-first-death-queue": "other", "x-first-death-reason": "rejected"}
    job = decode_job(foreign(theirs), False, "p", 10).job
    assert job.headers["x-first-death-queue"] == ["other"]
    assert b"x-first-death" not in encode_job(job, b"rrjobs-1", now=1.0).header


def test_the_routing_key_of_a_job_replaces_that_of_the_pipeline_and_does_not_travel():
    job = Job("1", "J", b"", "p", 1, headers={"x-routing-key": ["other"], "a": ["b"]})
    assert (
        routing_key_of(job, "default") == "other"
        and b"x-routing-key" not in encode_job(job, b"rrjobs-1", now=1.0).header
    )
    for values in ([], [""], ["a", "b"]):
        assert routing_key_of(Job("1", "J", b"", "p", 1, headers={"x-routing-key": values}), "default") == "default"


def test_messages_of_ours_have_an_identity_that_no_other_has():
    ids, others = MessageIds(), MessageIds()
    job = Job("1", "J", b"x", "p", 1)
    found = [decode_job(encode_job(job, one.next(), now=1.0), False, "p", 1) for one in (ids, ids, others)]
    assert len({one.identity for one in found}) == 3 and all(one.exact for one in found)


def test_copies_of_a_job_that_roadrunner_wrote_are_told_apart():
    def identity(attempt: int, body: bytes) -> str:
        headers = bytearray(b'{"rr-attempt":["%d"]}' % attempt)
        received = decode_job(foreign({"rr_id": "1", "rr_headers": headers}, body, message_id="m"), True, "p", 1)
        assert not received.exact
        return received.identity

    assert len({identity(1, b"x"), identity(2, b"x"), identity(1, b"y")}) == 3
    assert identity(1, b"x") == identity(1, b"x")


def test_a_message_on_its_way_through_several_delays_says_when_it_is_due():
    content = encode_job(Job("1", "J", b"", "p", 1), b"rrjobs-1", now=1.0, due=1_700_000_000_123)
    received = decode_job(content, False, "p", 1)
    assert received.due == 1_700_000_000_123 and DUE not in received.job.headers


@given(st.integers(1, 2**63 - 1), st.booleans())
def test_acks_and_nacks_are_what_another_library_reads(tag, bit):
    _, channel, method = pamqp_frame.unmarshal(ack_frame(9, tag, bit))
    assert (channel, method.name, method.delivery_tag, method.multiple) == (9, "Basic.Ack", tag, bit)
    _, _, method = pamqp_frame.unmarshal(nack_frame(9, tag, bit))
    assert (method.name, method.delivery_tag, method.multiple, method.requeue) == ("Basic.Nack", tag, False, bit)
    assert confirm_of(ack_frame(9, tag, bit)[7:-1]) == (tag, bit)


@given(st.binary(max_size=500), st.integers(20, 100))
def test_a_body_is_cut_into_frames_that_fit(body, frame_max):
    data = publish_method(3, "exchange", "key") + content_frames(3, Content(b"h" * 12, body), frame_max)
    kinds, got = [], b""
    while data:
        kind, size = data[0], int.from_bytes(data[3:7], "big")
        assert data[7 + size] == 0xCE and (kind != 3 or size + 8 <= frame_max)
        kinds.append(kind)
        got += data[7 : 7 + size] if kind == 3 else b""
        data = data[8 + size :]
    assert kinds[:2] == [1, 2] and got == body


def test_names_that_are_too_long_are_refused():
    with pytest.raises(ValueError, match="is 300 bytes long, AMQP allows 255"):
        publish_method(1, "e", "k" * 300)


def test_the_tag_of_a_delivery_is_read():
    method = commands.Basic.Deliver("consumer", 77, True, "exchange", "key")
    assert delivery_of(pamqp_frame.marshal(method, 1)[7:-1]) == (77, True)


def test_values_of_tables_are_what_they_say():
    table = b"\x01dD\x02" + struct.pack(">i", 1234) + b"\x01TT" + struct.pack(">Q", 5) + b"\x01uu" + b"\xff\xff"
    assert decode_table(table, 0, len(table)) == {"d": Decimal(2, 1234), "T": Moment(5), "u": 65535}


def test_two_messages_of_others_with_one_id_are_two_messages():
    def identity(body: bytes) -> str:
        return decode_job(foreign({}, body, message_id="m"), True, "p", 1).identity

    assert identity(b"x") == identity(b"x") != identity(b"y")
