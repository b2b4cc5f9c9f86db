"""A link that connects to nobody, and one that is closed while it connects."""

import asyncio

import pytest
from broker_doubles import FakeBroker

from rrjobs.drivers.broker import link as links
from rrjobs.drivers.broker.link import CONNECT_S, Link
from rrjobs.errors import BrokerUnreachable
from rrjobs.runtime.events import Events


class SilentBroker(FakeBroker):
    """Lets nobody in, and says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def connect(self):
        self.asked.set()
        await asyncio.Event().wait()


async def test_a_link_that_closes_gives_up_the_connection_that_is_being_made():
    broker, events, told = SilentBroker(), Events(), []
    events.subscribe("broker.lost", lambda *event: told.append(event))
    link = Link("p", broker, events)

    async def serve(connection):
        raise AssertionError("there is no connection")

    running = asyncio.create_task(link.run(serve))
    async with asyncio.timeout(CONNECT_S / 2):
        await broker.asked.wait()
        await link.close()
        await running
    assert not told


async def test_who_says_nothing_is_named_when_the_patience_of_the_start_is_over(monkeypatch):
    monkeypatch.setattr(links, "LEAST_S", 0.2)
    link = Link("p", SilentBroker(), Events())
    with pytest.raises(BrokerUnreachable, match=r"fake broker at \S+ did not answer within 1 s \(tried for 0.8 s\)"):
        async with asyncio.timeout(CONNECT_S / 2):
            await link.open(0.8)
