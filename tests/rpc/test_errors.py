"""Every row of spec/jobs-and-rpc.md 1.4, and codecs that are not spoken."""

import pytest

from rrjobs.protocol.frame import HEADER_BYTES, rpc_frame

PROTO, JSON, RAW, MSGPACK, GOB, ERROR = 0x80, 0x08, 0x04, 0x10, 0x20, 0x40


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("broadcast.Publish", b"rpc: can't find service broadcast.Publish"),
        ("jobs.push", b"rpc: can't find method jobs.push"),
        ("jobs.Nope", b"rpc: can't find method jobs.Nope"),
        ("a.jobs.Push", b"rpc: can't find service a.jobs.Push"),
        ("Push", b"rpc: service/method request ill-formed: Push"),
        ("", b"rpc: service/method request ill-formed: "),
        ("kv.Clear", b"rpc: can't find service kv.Clear"),
    ],
)
async def test_a_name_that_is_not_there_is_told_in_roadrunners_words(caller, method, text):
    assert await caller.call(method, b"", JSON) == (JSON | ERROR, text)


@pytest.mark.parametrize(
    ("method", "flags", "body", "reply_flags", "text"),
    [
        ("rpc.Version", PROTO, b"\x08\x01", PROTO, "message type is not a proto"),
        ("rpc.Version", PROTO, b"", PROTO, "message type is not a proto"),
        ("rpc.Config", PROTO, b"", PROTO, "message type is not a proto"),
        ("rpc.Version", RAW, b"", RAW, "unknown Raw payload type"),
        ("jobs.List", RAW, b"", RAW, "unknown Raw payload type"),
        ("rpc.Version", MSGPACK, b"\xc3", MSGPACK, "rpc: the msgpack codec is not supported, use proto, json or raw"),
        ("rpc.Version", GOB, b"\x03", GOB, "rpc: the gob codec is not supported, use proto, json or raw"),
        ("rpc.Version", 0, b"", GOB, "rpc: the gob codec is not supported, use proto, json or raw"),
        ("rpc.Version", GOB | RAW, b"", RAW, "rpc: the gob codec is not supported, use proto, json or raw"),
    ],
)
async def test_a_codec_that_does_not_fit_is_refused_in_that_codec(caller, method, flags, body, reply_flags, text):
    assert await caller.call(method, body, flags) == (reply_flags | ERROR, text.encode())


@pytest.mark.parametrize(
    ("method", "flags", "body", "start"),
    [
        ("jobs.Push", PROTO, b"\xff\xff\xff", b"the body is not a protobuf PushRequest"),
        ("jobs.PushBatch", PROTO, b"\x0a\x05abc", b"the body is not a protobuf PushBatchRequest"),
        ("jobs.Pause", PROTO, b"\x0a\x01\xff", b"the body is not a protobuf Pipelines"),
        ("jobs.Pause", JSON, b"{", b"the body is not JSON"),
        ("rpc.Version", JSON, b"tru", b"the body is not JSON"),
        ("informer.Workers", JSON, b"[1]", b"json: the argument is an array, not a string"),
        ("jobs.Push", JSON, b'{"job":{"payload":"%"}}', b"json: Job.payload is not base64"),
        ("jobs.Push", JSON, b'{"job":{"options":{"delay":"5"}}}', b"json: Options.delay is a int64, not a string"),
        ("jobs.Push", JSON, b'{"job":{"options":{"partition":3000000000}}}', b"json: Options.partition is 3000000000"),
        ("jobs.Push", JSON, b'{"job":{"headers":["a"]}}', b"json: Job.headers is an object, not an array"),
        ("jobs.Push", JSON, b'{"job":{"options":{"auto_ack":1}}}', b"json: Options.auto_ack is a bool, not a number"),
    ],
)
async def test_a_body_that_cannot_be_decoded_is_an_error_reply(caller, method, flags, body, start):
    got_flags, text = await caller.call(method, body, flags)
    assert got_flags == flags | ERROR
    assert text.startswith(start)


async def test_a_handler_that_breaks_is_an_internal_error_and_is_reported(caller, stub):
    stub.registry.jobs = None  # type: ignore[assignment]
    flags, text = await caller.call("jobs.Push", b"\x0a\x0b\x12\x01x*\x06\x12\x04test", PROTO)
    assert (flags, text) == (PROTO | ERROR, b"rpc: internal error: AttributeError")
    (event,) = stub.named("rpc.failed")
    assert event["method"] == "jobs.Push"
    assert await caller.call("rpc.Version", b"", JSON) == (JSON, b'"2025.1.0"')


GOOD = rpc_frame(1, b"rpc.Version", b"true", JSON)


def _flipped(place: int) -> bytes:
    broken = bytearray(GOOD)
    broken[place] ^= 0xFF
    return bytes(broken)


def _with_options(words: int, options: bytes, payload: bytes) -> bytes:
    from zlib import crc32

    head = bytes((0x10 | words, JSON)) + len(payload).to_bytes(4, "little")
    return head + crc32(head).to_bytes(4, "little") + b"\0\0" + options + payload


BROKEN = {
    "no options": _with_options(3, b"", b"rpc.Version"),
    "one option": _with_options(4, b"\1\0\0\0", b"rpc.Version"),
    "three options": _with_options(6, b"\1\0\0\0\1\0\0\0\1\0\0\0", b"rpc.Version"),
    "a name longer than the payload": _with_options(5, b"\1\0\0\0\xff\0\0\0", b"rpc.Version"),
    "a bad checksum": _flipped(7),
    "a flipped length": _flipped(3),
    "a header of no words": b"\x10" + GOOD[1:],
    "four gigabytes": rpc_frame(1, b"", b"", JSON)[:2] + b"\xff\xff\xff\xff" + bytes(14),
    "text": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "zeros": bytes(64),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_bytes_that_are_no_call_close_the_connection_and_disturb_nobody(connect, stub, name):
    good, bad = await connect(), await connect()
    assert await good.call("rpc.Version", b"", JSON) == (JSON, b'"2025.1.0"')
    bad.send(BROKEN[name])
    assert await bad.closed()
    assert await good.call("rpc.Version", b"", JSON) == (JSON, b'"2025.1.0"')
    assert len(stub.named("rpc.refused")) == 1


async def test_four_gigabytes_are_refused_by_their_header_alone(caller, stub):
    from zlib import crc32

    head = b"\x15\x08\xff\xff\xff\xff"
    caller.send(head + crc32(head).to_bytes(4, "little") + b"\0\0")
    assert await caller.closed()
    (event,) = stub.named("rpc.refused")
    assert "4294967295" in str(event["reason"])
    assert len(head) + 6 == HEADER_BYTES


async def test_a_call_that_is_too_long_is_answered_with_an_error_and_the_next_one_as_ever(connect, monkeypatch):
    monkeypatch.setattr("rrjobs.rpc.connection.MAX_FRAME_BYTES", 1_000_000)
    caller = await connect()
    flags, text = await caller.call("jobs.Push", bytes(3_000_000), PROTO)
    assert (flags, text) == (PROTO | ERROR, b"rpc: a call of 3000009 bytes is too long, at most 1000000 are taken")
    assert await caller.call("rpc.Version", b"", JSON) == (JSON, b'"2025.1.0"')


async def test_half_a_frame_is_given_up_after_a_while(connect, stub):
    good, bad = await connect(), await connect()
    bad.send(GOOD[:17])
    assert await bad.closed()
    (event,) = stub.named("rpc.refused")
    assert "half a frame" in str(event["reason"])
    assert await good.call("rpc.Version", b"", JSON) == (JSON, b'"2025.1.0"')


async def test_a_call_that_waits_is_answered_before_a_bad_frame_closes_the_connection(caller, stub, eventually):
    body = b"\x0a\x0b\x12\x01x*\x06\x12\x04slow"
    caller.send(rpc_frame(5, b"jobs.Push", body, PROTO))
    await caller.call("rpc.Version", b"", JSON)
    assert stub.registry.waiting == 1
    caller.send(bytes(32))
    await eventually(lambda: stub.named("rpc.refused"))
    stub.registry.gate.set()
    reply = await caller.frame()
    assert (reply.options, reply.payload) == ((5, 9), b"jobs.Push")
    assert await caller.closed()
