"""A copy that takes the place of its original is made once, whatever becomes of the link meanwhile."""

import asyncio
import os

import pytest
from house import DEADLINE_S, answer, crash, eventually, until
from servers.link import Direction, Fault

from rrjobs.pipeline.history import history_of

ROUNDS = 2 * int(os.environ.get("SOAK_ROUNDS", "1"))


@pytest.mark.parametrize("back", ["at once", "when the loss is known"])
async def test_a_link_that_breaks_between_a_copy_and_the_ack_of_its_original_leads_to_no_second_copy(
    house, harness, back
):
    if not harness.has_link:
        assert harness.driver == "memory", "every broker can do this"
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


async def test_a_copy_whose_confirmation_comes_together_with_the_loss_of_the_link_is_made_once(house, harness):
    if not harness.copy_bytes:
        assert harness.driver in ("memory", "kafka"), "Kafka's client asks again, and is known by a number of its own"
        return
    harness.lease_s = 3
    async with house(retry={"initial_s": 0.5, "jitter": 0, "max_attempts": 9}) as one:
        for number in range(ROUNDS):
            await one.push(one.job(str(number)))
            trap = harness.proxy.trap(
                Direction.DOWN, harness.confirmed_bytes, Fault.CUT, forward=1.0, after=harness.copy_bytes
            )
            await _crashes_at(trap, await one.sink.take())
            again = await one.sink.take()
            assert (again.job.id, history_of(again.job.headers).attempt) == (str(number), 2)
            answer(again)
        await one.idle()
        assert await one.sink.quiet(1.0), "one copy is enough"


async def _crashes_at(trap, delivery):
    """Its copy is confirmed and its link lost in one turn: the loop stands until both have happened."""
    crash(delivery)
    await eventually(lambda: trap.armed, "the copy is on its way", pause_s=0.0)
    trap.wait(DEADLINE_S)
