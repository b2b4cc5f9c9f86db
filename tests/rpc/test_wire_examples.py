"""The byte examples of spec/jobs-and-rpc.md 1.5, both ways."""

from rrjobs.pipeline.job import Job
from rrjobs.protocol.frame import CODEC_PROTO, rpc_frame

VERSION_REQUEST = bytes.fromhex("15080f0000001c69ca8a0000010000000b000000") + b"rpc.Versiontrue"
VERSION_REPLY = bytes.fromhex("150815000000e7de6eb50000010000000b000000") + b'rpc.Version"2025.1.0"'
PUSH_REQUEST = bytes.fromhex(
    "15804c0000009c65fd8200000700000009000000"
    "6a6f62732e50757368"
    "0a410a0470696e67"
    "122430303030303030302d303030302d343030302d383030302d303030303030303030303031"
    "1a077b2261223a317d"
    "2a0a1204746573741805"
    "3001"
)
PUSH_REPLY = bytes.fromhex("15800900000093cd372e00000700000009000000") + b"jobs.Push"
UNKNOWN_REPLY = (
    bytes.fromhex("15c047000000d4ba0f0d00000b00000009000000")
    + b"jobs.Pushrpc_push:\n\tjobs_plugin_push: no such pipeline, requested: nope"
)


async def exchange(caller, request: bytes, size: int) -> bytes:
    caller.send(request)
    return await caller.reader.readexactly(size)


async def test_the_version_is_answered_byte_for_byte(caller):
    assert await exchange(caller, VERSION_REQUEST, len(VERSION_REPLY)) == VERSION_REPLY


async def test_a_push_is_answered_byte_for_byte_and_arrives_whole(caller, stub):
    assert await exchange(caller, PUSH_REQUEST, len(PUSH_REPLY)) == PUSH_REPLY
    (job,) = stub.registry.jobs
    assert isinstance(job, Job)
    assert (job.name, job.id, job.payload) == ("ping", "00000000-0000-4000-8000-000000000001", b'{"a":1}')
    assert (job.pipeline, job.delay_s, job.auto_ack, job.priority) == ("test", 5, True, 0)


async def test_a_push_to_an_unknown_pipeline_is_refused_byte_for_byte(caller):
    body = b"\x0a\x0b\x12\x01x*\x06\x12\x04nope"
    frame = rpc_frame(11, b"jobs.Push", body, CODEC_PROTO)
    assert await exchange(caller, frame, len(UNKNOWN_REPLY)) == UNKNOWN_REPLY


async def test_an_example_arrives_whole_however_it_is_cut(caller):
    for cut in range(1, len(VERSION_REQUEST)):
        caller.send(VERSION_REQUEST[:cut])
        await caller.writer.drain()
        caller.send(VERSION_REQUEST[cut:])
        assert await caller.reader.readexactly(len(VERSION_REPLY)) == VERSION_REPLY


async def test_an_unknown_service_is_told_so_in_json(caller):
    assert await caller.call("foo.Bar", b"true", 0x08) == (0x48, b"rpc: can't find service foo.Bar")
