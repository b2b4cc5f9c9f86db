"""A copy that takes the place of its original is made once, whatever becomes of the link meanwhile."""

import asyncio

import pytest
from house import answer, crash, until

from rrjobs.pipeline.history import history_of


@pytest.mark.parametrize("back", ["at once", "when the loss is known"])
async def test_a_link_that_breaks_between_a_copy_and_the_ack_of_its_original_leads_to_no_second_copy(
    house, harness, back
):
    if not harness.has_link:
        assert harness.driver == "memory", "every broker can do this"
        return
    if back == "at once" and not harness.abilities.notices_short_breaks:
        assert harness.driver == "kafka", "its client makes new connections by itself, in its own time"
        return
    harness.lease_s = 3  # where a lost ack is seen when the lease of its message is over
    async with house(retry={"initial_s": 0.5, "jitter": 0, "max_attempts": 9}) as one:
        lost = asyncio.Event()
        one.events.subscribe("broker.lost", lambda name, fields: lost.set())
        await one.push(one.job("a"))
        first = await one.sink.take()
        connection = first.connection
        ack, cut = connection.ack, asyncio.Event()

        async def cut_and_ack(deliveries):
            connection.ack = ack
            harness.cut()
            if back == "at once":
                harness.mend()
            cut.set()
            await ack(deliveries)

        connection.ack = cut_and_ack
        crash(first)
        async with until("the copy is there"):
            await cut.wait()
        if back != "at once":
            async with until("the loss is known"):
                await lost.wait()
            harness.mend()
        again = await one.sink.take()
        told = history_of(again.job.headers)  # without deliveries that the broken link swallowed
        assert (again.job.id, told.attempt) == ("a", 2)
        answer(again)
        await one.idle()
        assert await one.sink.quiet(1.0), "one copy is enough"
