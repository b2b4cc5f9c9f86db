"""A broken link is told to aiokafka as it expects it, on both event loops."""

import asyncio
import socket

import aiokafka.conn
import pytest
import uvloop
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

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
