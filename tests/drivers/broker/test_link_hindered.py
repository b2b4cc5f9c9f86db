"""A connection that lives and does not what is wanted."""

import asyncio

from broker_doubles import FakeBroker

from rrjobs.drivers.broker.link import Link
from rrjobs.runtime.events import Events


async def test_a_hindered_link_counts_as_down_and_tells_each_change_once():
    events, told = Events(), []
    events.subscribe("broker.lost", lambda name, fields: told.append(fields["reason"]))
    events.subscribe("broker.connected", lambda name, fields: told.append("well"))
    link = Link("p", FakeBroker(), events)
    await link.open(1.0)
    link.works()
    for _ in range(2):
        link.hindered("no right")
    await asyncio.sleep(0.01)
    link.works()
    assert (link.down_s > 0, link.trouble, link.current is not None) == (True, "no right", True)
    link.hindered("")
    link.hindered("")
    assert (link.down_s, link.trouble) == (0.0, "")
    link.hindered("another")
    assert told == ["no right", "well", "another"]
    await link.close()


async def test_what_hindered_a_connection_is_not_held_against_the_next_one():
    broker = FakeBroker()
    link = Link("p", broker, Events())
    await link.open(1.0)
    connections = []

    async def serve(connection):
        connections.append(connection)
        if len(connections) == 1:
            link.hindered("no right")
            return "cut"
        link.works()
        assert link.down_s == 0.0
        await link.close()
        return ""

    async with asyncio.timeout(10):
        await link.run(serve)
    assert len(connections) == 2
