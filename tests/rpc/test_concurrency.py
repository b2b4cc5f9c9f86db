"""Many clients, waiting calls, and clients that do not read: what one does never holds up another."""

import asyncio

from rrjobs.protocol.frame import rpc_frame
from rrjobs.rpc.connection import MAX_WAITING_CALLS

PROTO, JSON = 0x80, 0x08
SLOW = b"\x0a\x0b\x12\x01x*\x06\x12\x04slow"


def slow(sequence: int) -> bytes:
    return rpc_frame(sequence, b"jobs.Push", SLOW, PROTO)


def version(sequence: int) -> bytes:
    return rpc_frame(sequence, b"rpc.Version", b"true", JSON)


async def test_four_clients_get_their_own_answers(connect):
    async def run(first: int) -> list[int]:
        caller = await connect()
        seen = []
        for sequence in range(first, first + 200):
            caller.send(version(sequence))
            seen.append((await caller.frame()).options[0])
        return seen

    runs = await asyncio.gather(*(run(1000 * number) for number in range(4)))
    assert runs == [list(range(1000 * number, 1000 * number + 200)) for number in range(4)]


async def test_the_same_sequence_on_two_connections_is_two_calls(connect, stub, eventually):
    one, two = await connect(), await connect()
    one.send(slow(1))
    await eventually(lambda: stub.registry.waiting == 1)
    assert await two.call("rpc.Version", b"", JSON, sequence=1) == (JSON, b'"2025.1.0"')
    stub.registry.gate.set()
    assert (await one.frame()).payload == b"jobs.Push"


async def test_many_calls_in_one_write_are_answered_in_order(caller):
    caller.send(b"".join(version(sequence) for sequence in range(500)))
    assert [(await caller.frame()).options[0] for _ in range(500)] == list(range(500))


async def test_a_call_that_waits_does_not_hold_up_the_next_of_its_connection(caller, stub, eventually):
    caller.send(slow(1) + version(2))
    assert (await caller.frame()).options[0] == 2
    assert stub.registry.waiting == 1
    stub.registry.gate.set()
    assert (await caller.frame()).options[0] == 1


async def test_waiting_calls_of_one_connection_are_bounded_and_all_are_answered(caller, connect, stub, eventually):
    total = MAX_WAITING_CALLS * 3
    caller.send(b"".join(slow(sequence) for sequence in range(total)))
    await eventually(lambda: stub.registry.waiting == MAX_WAITING_CALLS)
    other = await connect()
    assert await other.call("rpc.Version", b"", JSON) == (JSON, b'"2025.1.0"')
    assert stub.registry.waiting == MAX_WAITING_CALLS
    stub.registry.gate.set()
    assert sorted([(await caller.frame()).options[0] for _ in range(total)]) == list(range(total))


async def test_a_lost_client_does_not_cancel_its_call(connect, stub, eventually):
    caller = await connect()
    caller.send(slow(1))
    await eventually(lambda: stub.registry.waiting == 1)
    await caller.close()
    stub.registry.gate.set()
    await eventually(lambda: stub.registry.jobs)


async def test_a_client_that_sends_no_more_still_gets_its_answers(caller, stub, eventually):
    caller.send(slow(1))
    await eventually(lambda: stub.registry.waiting == 1)
    caller.writer.write_eof()
    await asyncio.sleep(0)
    stub.registry.gate.set()
    assert (await caller.frame()).options[0] == 1
    assert await caller.closed()


async def test_a_client_that_does_not_read_is_not_read_either(connect, server, stub):
    """Its calls stop being run once its answers pile up, and go on when it reads."""
    stub.registry.names = lambda: ["pipeline"] * 10_000  # type: ignore[method-assign]
    deaf, good = await connect(), await connect()
    call = rpc_frame(1, b"jobs.List", b"", PROTO)
    total = 500
    deaf.send(call * total)
    assert await good.call("rpc.Version", b"", JSON) == (JSON, b'"2025.1.0"')
    held = [one for one in server._connections._here if one._unread]
    assert len(held) == 1
    assert len(held[0]._unread) > total // 2
    for _ in range(total):
        assert len((await deaf.frame()).payload) > 100_000


async def test_stopping_ends_waiting_calls_with_an_error(server, connect, stub, eventually):
    caller = await connect()
    caller.send(slow(3))
    await eventually(lambda: stub.registry.waiting == 1)
    stopping = asyncio.ensure_future(server.stop())
    reply = await caller.frame()
    assert reply.flags == PROTO | 0x40
    assert reply.payload == b"jobs.Pushrpc: the server is stopping"
    await stopping
    assert await caller.closed()


async def test_stopping_twice_and_before_the_start_is_safe(server):
    await server.stop()
    await server.stop()
