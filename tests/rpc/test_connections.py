"""What a connection may hold: whole calls before garbage are answered, and too many clients are turned away."""

import asyncio
import json
from zlib import crc32

import pytest

from rrjobs.protocol.frame import rpc_frame
from rrjobs.rpc.messages import CLASSES
from rrjobs.rpc.roster import TELL_S, Connections
from rrjobs.rpc.server import RpcServer
from rrjobs.runtime.address import TcpAddress

JSON, PROTO = 0x08, 0x80


def version(sequence: int) -> bytes:
    return rpc_frame(sequence, b"rpc.Version", b"true", JSON)


async def test_whole_calls_before_garbage_are_answered_and_then_the_connection_closes(caller, stub):
    caller.send(version(1) + version(2) + b"\xff" * 40)
    assert [(await caller.frame()).options[0] for _ in range(2)] == [1, 2]
    assert await caller.closed()
    assert len(stub.named("rpc.refused")) == 1


async def test_whole_calls_before_one_that_is_too_long_are_answered_in_order(caller):
    head = version(2)[:2] + (70 << 20).to_bytes(4, "little")
    caller.send(version(1) + head + crc32(head).to_bytes(4, "little") + version(2)[10:])
    assert [(await caller.frame()).options[0] for _ in range(2)] == [1, 2]


async def test_calls_that_were_held_back_before_garbage_run_too(caller, stub, eventually):
    job = {"job": "ping", "id": "1", "options": {"pipeline": "slow"}}
    push = CLASSES["PushRequest"](job=job).SerializeToString()
    calls = [rpc_frame(number, b"jobs.Push", push, PROTO) for number in range(70)]
    caller.send(b"".join(calls) + b"\xff" * 40)
    await eventually(lambda: stub.registry.waiting == 64 and stub.named("rpc.refused"))
    stub.registry.gate.set()
    assert {(await caller.frame()).options[0] for _ in range(70)} == set(range(70))
    assert await caller.closed()


@pytest.fixture
async def crowded(stub):
    running = RpcServer(TcpAddress("127.0.0.1", 0), stub.table(), stub.events, max_connections=2)
    await running.start()
    yield running
    await running.stop()


async def test_one_client_too_many_is_turned_away_and_the_others_are_served(crowded, stub, eventually):
    port = crowded.address.port
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    for reader, writer in streams:
        writer.write(version(1))
        assert json.loads((await reader.readexactly(20 + 11 + 10))[31:]) == "2025.1.0"
    for _ in range(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        writer.close()
    (told,) = stub.named("rpc.refused")
    assert "2 connections are open, as many as rpc.max_connections allows" in str(told["reason"])
    assert str(told["peer"]).startswith("127.0.0.1:")
    streams.pop()[1].close()
    await eventually(lambda: len(crowded._connections) == 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(version(7))
    assert len(await reader.readexactly(41)) == 41
    for one in (writer, streams[0][1]):
        one.close()


def test_a_flood_of_clients_is_told_in_one_line_and_counted():
    class Client:
        peer = "1.2.3.4"

    now, told = 100.0, []
    connections = Connections(1, lambda peer, reason: told.append((peer, reason)), lambda: now)
    assert connections.came(Client())  # type: ignore[arg-type]
    for _ in range(500):
        assert not connections.came(Client())  # type: ignore[arg-type]
    assert len(told) == 1
    now += TELL_S
    assert not connections.came(Client())  # type: ignore[arg-type]
    assert told[1] == ("1.2.3.4", "1 connections are open, as many as rpc.max_connections allows, as 499 before it")
