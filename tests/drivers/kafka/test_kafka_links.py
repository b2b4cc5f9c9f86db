"""A broken link is told to aiokafka as it expects it, on both event loops."""

import asyncio
import gc
import socket

import aiokafka.conn
import pytest
import uvloop
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest
from house import answer

from rrjobs.drivers.kafka.commits import heard
from rrjobs.drivers.kafka.links import LiveConnection


async def send_on_a_closed_link(sasl: bool) -> None:
    """As it is after the link has ended, before aiokafka has looked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        connection = LiveConnection(host, port)
        reader, writer = await asyncio.open_connection(host, port)
        connection._reader, connection._writer, connection._versions = reader, writer, {}
        connection._read_task = asyncio.create_task(reader.read())
        writer.transport.abort()
        await connection._read_task
        if sasl:
            connection._send_sasl_token(b"token")
        else:
            connection.send(MetadataRequest([]))


@pytest.mark.parametrize("sasl", [False, True], ids=["request", "login"])
@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_what_is_sent_on_a_closed_link_is_an_error_that_aiokafka_knows(loop, sasl):
    with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(KafkaConnectionError, match="link was closed"):
        runner.run(send_on_a_closed_link(sasl))


def test_every_client_of_the_library_makes_these_connections():
    assert aiokafka.conn.create_conn.__globals__["AIOKafkaConnection"] is LiveConnection


TASKS = {
    "send": lambda clients: clients._publishing.producer._sender._sender_task,
    "fetch": lambda clients: clients.reader.consumer._fetcher._fetch_task,
    "group": lambda clients: clients.reader.consumer._coordinator._coordination_task,
    "metadata": lambda clients: clients.reader.consumer._client._sync_task,
}


@pytest.mark.parametrize("name", TASKS)
async def test_a_client_whose_task_has_ended_is_made_anew(house, name):
    async with house() as one:
        await one.push(one.job("before"))
        answer(await one.sink.take())
        lost, connected = [], asyncio.Event()
        one.events.subscribe("broker.lost", lambda _, fields: lost.append(fields["reason"]))
        one.events.subscribe("broker.connected", lambda *_: connected.set())
        TASKS[name](one.registry._routes["p"].driver._kafka._clients).cancel()
        async with asyncio.timeout(30):
            await connected.wait()
        assert "aiokafka has ceased to" in lost[0]
        await one.push(one.job("after"))
        delivery = await one.sink.take()
        assert (delivery.job.id, delivery.attempt) == ("after", 1)
        answer(delivery)
        await one.idle()


async def test_a_commit_that_fails_when_nobody_waits_for_it_any_more_is_not_logged():
    told, broken = [], asyncio.Event()

    async def commit():
        await broken.wait()
        raise KafkaConnectionError("closed")

    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    waiting = asyncio.create_task(_shielded(heard(commit)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    broken.set()
    await asyncio.sleep(0.01)
    gc.collect()
    assert told == []


async def _shielded(commit) -> None:
    """As aiokafka does it."""
    await asyncio.shield(commit())
