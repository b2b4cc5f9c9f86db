"""Pause, drain, declare, destroy, two servers, foreign messages, a link that is cut."""

import asyncio

import pytest
from house import answer, crash, eventually

from rrjobs.errors import AlreadyInState, PipelineNotFound
from rrjobs.pipeline.dead_letter import ALL


async def test_paused_nothing_comes_and_resumed_everything_does(house):
    async with house(prefetch=2) as one:
        await one.push(*[one.job(str(number)) for number in range(5)])
        running = await one.sink.take()
        await one.registry.pause(["p"])
        with pytest.raises(AlreadyInState):
            await one.registry.pause(["p"])
        answer(running)
        waiting = [one.sink.queue.pop() for _ in range(len(one.sink.queue))]  # memory's stay, as with RoadRunner
        assert await one.sink.quiet()
        assert not (await one.state()).ready
        for delivery in waiting:
            answer(delivery)
        await one.registry.resume(["p"])
        with pytest.raises(AlreadyInState):
            await one.registry.resume(["p"])
        for _ in range(4 - len(waiting)):
            delivery = await one.sink.take()
            assert delivery.attempt == 1
            answer(delivery)
        await one.idle()


async def test_a_clean_stop_loses_nothing_and_counts_no_attempt(house, harness):
    async with house() as one:
        await one.push(*[one.job(str(number)) for number in range(6)])
        await eventually(lambda: len(one.sink.queue) == 6, "all have arrived")
        answer(await one.sink.take())
        await one.registry.hold()
    async with house() as other:
        again = await other.sink.takes(5)
        assert sorted(delivery.job.id for delivery in again) == ["1", "2", "3", "4", "5"]
        if harness.abilities.returns_in_order:
            assert [delivery.job.id for delivery in again] == ["1", "2", "3", "4", "5"]
        assert {delivery.attempt for delivery in again} == {1}
        for delivery in again:
            answer(delivery)
        await other.idle()


async def test_delayed_jobs_and_retries_outlive_a_clean_stop(house):
    async with house(retry={"initial": "1500ms", "jitter": 0}) as one:
        await one.push(one.job("later", delay_s=1.5), one.job("failing"))
        crash(await one.sink.take())
        await asyncio.sleep(0.3)  # the copy is on its way: what is asked is not when it is there
    async with house(retry={"initial": "1500ms", "jitter": 0}) as other:
        found = {delivery.job.id: delivery for delivery in await other.sink.takes(2)}
        assert found["failing"].attempt == 2 and found["failing"].crashes == 1 and found["later"].attempt == 1
        for delivery in found.values():
            answer(delivery)
        await other.idle()


async def test_stat_tells_what_waits(house, harness):
    async with house() as one:
        await one.registry.pause(["p"])
        await one.push(*[one.job() for _ in range(4)], one.job(delay_s=30.0))
        if harness.abilities.tells_active:
            await eventually(lambda: _counts(one, "active", 4), "four wait")
        if harness.abilities.tells_delayed:
            await eventually(lambda: _counts(one, "delayed", 1), "one waits for its time")
        state = await one.state()
        assert (state.driver, state.ready, state.error) == (harness.driver, False, "")


async def _counts(one, name, number):
    return getattr(await one.state(), name) == number


async def test_stat_tells_what_is_held_and_what_went_back(house, harness):
    held = harness.abilities.tells_reserved  # otherwise what is held counts as waiting
    async with house(prefetch=2) as one:
        await one.push(*[one.job() for _ in range(4)])
        first = await one.sink.take()
        await eventually(lambda: _both(one, (2, 2) if held else (4, 0)), "two are held, two wait")
        await one.registry.pause(["p"])
        await eventually(lambda: _both(one, (3, 1) if held else (4, 0)), "one runs, three wait")
        answer(first)
        await eventually(lambda: _both(one, (3, 0)), "three wait")
        await one.registry.resume(["p"])
        for _ in range(3):
            answer(await one.sink.take())
        await one.idle()


async def _both(one, numbers):
    state = await one.state()
    return (state.active, state.reserved) == numbers


async def test_a_pipeline_is_declared_used_and_destroyed_while_the_server_runs(house, harness):
    async with house() as one:
        spec = {"name": "other", "driver": harness.driver, "priority": "3", **harness.declaration("other")}
        await one.registry.declare(spec)
        job = one.job("a")
        job.pipeline = "other"
        await one.push(job)
        await one.registry.resume(["other"])
        delivery = await one.sink.take()
        assert (delivery.job.id, delivery.job.pipeline, delivery.priority) == ("a", "other", 3)
        answer(delivery)
        await one.registry.destroy(["other"])
        with pytest.raises(PipelineNotFound):
            await one.push(job)


async def test_two_servers_share_one_queue_and_run_each_job_once(house, harness):
    if not harness.abilities.shared:
        assert harness.driver == "memory", "every broker can do this"
        return
    async with house(prefetch=5) as one, house(prefetch=5, folder="second") as two:
        await one.push(*[one.job(str(number)) for number in range(60)])
        seen: list[str] = []

        async def work(sink):
            while True:
                delivery = await sink.take()
                seen.append(delivery.job.id)
                await asyncio.sleep(0.001)
                answer(delivery)

        workers = [asyncio.create_task(work(house.sink)) for house in (one, two)]
        await eventually(lambda: len(seen) >= 60, "all have run")
        await one.idle()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        assert sorted(seen, key=int) == [str(number) for number in range(60)]


async def test_a_foreign_message_is_a_job_of_a_deduced_name(house, harness):
    if not harness.abilities.foreign:
        assert harness.driver == "memory", "every broker can do this"
        return
    async with house() as one:
        await harness.write_foreign("p", b"from somebody else", {"their": "header"})
        delivery = await one.sink.take()
        assert (delivery.job.name, delivery.job.payload) == ("deduced_by_rr", b"from somebody else")
        assert delivery.job.id and delivery.priority == 10
        answer(delivery)
        await one.idle()


async def test_a_foreign_message_has_the_same_id_when_it_comes_again(house, harness):
    if not harness.abilities.foreign:
        assert harness.driver == "memory", "every broker can do this"
        return
    async with house() as one:
        await harness.write_foreign("p", b"from somebody else", {})
        first = await one.sink.take()
        one.sink.give_back(first)
        await one.registry.pause(["p"])
        await one.registry.resume(["p"])
        again = await one.sink.take()
        assert again is not first and again.job.id == first.job.id
        answer(again)
        await one.idle()


async def test_a_message_that_cannot_be_decoded_is_a_dead_letter(house, harness):
    if not harness.abilities.foreign:
        assert harness.driver == "memory", "every broker can do this"
        return
    async with house() as one:
        if harness.abilities.decodes_anything:
            await harness.write_foreign("p", b"\x00 what is this", {})
            delivery = await one.sink.take()
            assert (delivery.job.name, delivery.job.payload) == ("deduced_by_rr", b"\x00 what is this")
            answer(delivery)
            return
        written = await harness.write_undecodable("p", b"what is this") or b"what is this"
        await one.push(one.job("after"))
        delivery = await one.sink.take()
        assert delivery.job.id == "after"
        answer(delivery)
        await one.idle()
        (letter,) = await one.dead.letters(ALL, 10)
        assert letter.reason == "undecodable" and letter.payload == written


async def test_a_cut_link_costs_nothing_that_runs_and_nothing_that_waits(house, harness):
    if not harness.has_link:
        assert harness.driver == "memory", "every broker can do this"
        return
    async with house(prefetch=3) as one:
        await one.push(*[one.job(str(number)) for number in range(6)])
        running = await one.sink.take()
        harness.cut()
        await eventually(lambda: _in_trouble(one), "the loss is known")
        answer(running)
        harness.mend()
        seen = []
        for _ in range(5):
            delivery = await one.sink.take(40)  # what a broker sent into the cut comes after its lease, 30 s on NATS
            seen.append(delivery.job.id)
            answer(delivery)
        assert sorted(seen) == ["1", "2", "3", "4", "5"]
        await one.idle()
        assert await one.sink.quiet()


async def test_a_push_while_the_link_is_cut_waits_for_it(house, harness):
    if not harness.has_link:
        assert harness.driver == "memory", "every broker can do this"
        return
    async with house() as one:
        harness.cut()
        await eventually(lambda: _in_trouble(one), "the loss is known")
        pushing = asyncio.create_task(one.push(one.job("a")))
        await asyncio.sleep(0)
        harness.mend()
        await pushing
        delivery = await one.sink.take()
        assert delivery.job.id == "a"
        answer(delivery)
        await one.idle()


async def _in_trouble(one):
    return bool((await one.state()).error)
