"""Ordering, concurrency and rate hold on every driver, with nothing of theirs in a driver."""

import time

from house import answer, crash, eventually


def tenants(deliveries):
    return sorted(one.job.headers.get("tenant", [""])[0] for one in deliveries)


async def test_jobs_of_one_key_run_one_after_another_in_order_and_nobody_else_waits(house, harness):
    async with house(prefetch=20, ordering="key", ordering_key="tenant") as one:
        keyed = [one.job(f"{key}{number}", headers={"tenant": [key]}) for number in range(3) for key in "ab"]
        await one.push(*keyed, one.job("free-1"), one.job("free-2"))
        running = await one.sink.takes(4)
        assert tenants(running) == ["", "", "a", "b"]
        assert await one.sink.quiet(), "the next of a key waits for the one before it"
        seen = list(running)
        while len(seen) < 8:
            ended = next(delivery for delivery in running if tenants([delivery]) != [""])
            running.remove(ended)
            answer(ended)
            following = await one.sink.take()
            assert tenants([following]) == tenants([ended]), "only of the key that has become free"
            running.append(following)
            seen.append(following)
        for delivery in running:
            answer(delivery)
        await one.idle()
        if harness.abilities.ordered:
            for key in "ab":
                came = [delivery.job.id for delivery in seen if tenants([delivery]) == [key]]
                assert came == [f"{key}{number}" for number in range(3)]


async def test_a_job_of_a_key_that_has_to_run_again_holds_up_nobody_and_comes_behind_those_that_wait(house):
    async with house(prefetch=20, ordering="key", ordering_key="tenant", retry={"initial_s": 0.2}) as one:
        await one.push(*[one.job(f"a{number}", headers={"tenant": ["a"]}) for number in range(4)])
        first = await one.sink.take()

        async def held() -> int:
            return (await one.state()).held

        await eventually(lambda: _is(held, 3), "all have come")
        crash(first)
        second = await one.sink.take()
        assert second.job.id != first.job.id
        await eventually(lambda: _is(held, 3), "it has come again")
        answer(second)
        for _ in range(2):
            next_one = await one.sink.take()
            assert (next_one.job.id != first.job.id, next_one.attempt) == (True, 1)
            answer(next_one)
        again = await one.sink.take()
        assert (again.job.id, again.attempt) == (first.job.id, 2)
        answer(again)
        await one.idle()


async def _is(number, expected: int) -> bool:
    return await number() == expected


async def test_of_one_value_no_more_run_at_once_than_the_concurrency_says(house):
    async with house(prefetch=20, concurrency=2, concurrency_key="tenant") as one:
        await one.push(*[one.job(headers={"tenant": [key]}) for key in "aaaab"])
        running = await one.sink.takes(3)
        assert tenants(running) == ["a", "a", "b"]
        assert await one.sink.quiet()
        for delivery in running:
            answer(delivery)
        for delivery in await one.sink.takes(2):
            answer(delivery)
        await one.idle()


async def test_no_more_begin_in_a_time_than_the_rate_says(house):
    async with house(prefetch=20, rate={"limit": 2, "per_s": 0.5}) as one:
        began = time.monotonic()  # before the first one begins: whatever holds up the test makes what follows later
        await one.push(*[one.job() for _ in range(5)])
        came = []
        for _ in range(5):
            answer(await one.sink.take())
            came.append(time.monotonic() - began)
        assert came[2] >= 0.49 and came[4] >= 0.99
        await one.idle()
