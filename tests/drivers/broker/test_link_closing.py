"""A link that is closed while it connects."""

import asyncio

from broker_doubles import FakeBroker

from rrjobs.drivers.broker.link import CONNECT_S, Link
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
