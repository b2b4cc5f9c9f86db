"""How long a link waits before it connects again."""

import asyncio

import pytest
from broker_doubles import FakeBroker

from rrjobs.drivers.broker.backoff import LONGEST_S
from rrjobs.drivers.broker.link import FLAPPING_S, Link
from rrjobs.runtime.events import Events

LOSSES = 20


@pytest.fixture
async def waits(monkeypatch):
    """The pauses of a link whose connections are lost at once: `await waits(worked)`."""

    async def of(worked: bool) -> list[float]:
        link, made = Link("p", FakeBroker(), Events()), []

        async def pause(wait_s):
            made.append(wait_s)
            if len(made) == LOSSES:
                await link.close()

        async def serve(connection):
            if worked:
                link.works()
            return "the link is cut"

        monkeypatch.setattr(link, "_pause", pause)
        async with asyncio.timeout(10):
            await link.run(serve)
        return made

    return of


async def test_a_broker_whose_connections_never_work_is_asked_ever_less_often(waits):
    assert LONGEST_S / 2 <= (await waits(False))[-1] <= LONGEST_S


async def test_a_link_that_is_cut_often_is_not_waited_for_as_if_its_broker_was_away(waits):
    pauses = await waits(True)
    assert pauses[0] < pauses[-1] <= FLAPPING_S
