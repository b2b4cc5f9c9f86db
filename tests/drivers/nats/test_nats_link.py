"""A link that breaks is known to be lost, whatever waits to be sent over it."""

import asyncio

import pytest

from rrjobs.drivers.nats.client import Client
from rrjobs.drivers.nats.config import NatsSection


@pytest.fixture
async def proxy(nats, link_proxy):
    return link_proxy(nats.port)


@pytest.fixture
async def client(proxy):
    made = Client(NatsSection(addr=f"nats://127.0.0.1:{proxy.port}"))
    await made.connect()
    yield made
    await made.close()


async def test_a_link_that_breaks_while_commands_wait_to_be_sent_is_known_to_be_lost(client, proxy):
    await client.nc._send_command(b"PING\r\n")  # it waits until something else is written
    proxy.reset()
    async with asyncio.timeout(10):
        assert proxy.address in await client.lost


async def test_a_reader_that_ends_without_a_word_is_a_lost_link(client, proxy, monkeypatch):
    async def parse(data):
        raise RuntimeError("not foreseen")

    monkeypatch.setattr(client.nc._ps, "parse", parse)
    await client.nc.write(b"PING\r\n")
    async with asyncio.timeout(10):
        assert proxy.address in await client.lost
