"""What the answer or the fault of a run leads to (docs/delivery-contract.md)."""

import pytest
from house import answer, crash, raise_error

from rrjobs.pipeline.dead_letter import ALL, Wanted


async def test_answers_that_ask_for_another_run_get_it_with_their_headers(house):
    async with house() as one:
        await one.push(one.job("a", headers={"kept": ["k"], "changed": ["old"]}))
        answer(await one.sink.take(), 4, message="again", delay_seconds=0, headers={"changed": ["new"], "added": ["n"]})
        again = await one.sink.take()
        assert again.job.id == "a" and again.attempt == 2
        assert {name: again.job.headers[name][0] for name in ("kept", "changed", "added")} == {
            "kept": "k",
            "changed": "new",
            "added": "n",
        }
        answer(again)
        await one.idle()


async def test_an_answer_that_asks_for_a_delay_gets_it(house):
    async with house() as one:
        await one.push(one.job("a"))
        answer(await one.sink.take(), 4, message="", delay_seconds=1)
        assert await one.sink.quiet(0.7)
        answer(await one.sink.take())
        await one.idle()


async def test_a_failed_job_without_a_policy_is_done(house):
    async with house() as one:
        await one.push(one.job("a"))
        answer(await one.sink.take(), 1, message="no", requeue=False, delay_seconds=0, headers={})
        await one.idle()
        assert await one.sink.quiet()


async def test_a_refused_job_that_asks_for_redelivery_comes_again(house):
    async with house() as one:
        await one.push(one.job("a"))
        answer(await one.sink.take(), 3, message="not now", requeue=True, delay_seconds=0)
        again = await one.sink.take()
        assert again.job.id == "a"
        answer(again)
        await one.idle()


async def test_retries_follow_the_policy_and_end_in_a_letter(house):
    async with house(retry={"max_attempts": 3, "initial": "50ms", "jitter": 0}) as one:
        await one.push(one.job("a", b"body", headers={"h": ["v"]}))
        for attempt in (1, 2, 3):
            delivery = await one.sink.take()
            assert delivery.attempt == attempt
            raise_error(delivery, f"boom {attempt}")
        await one.idle()
        (letter,) = await one.dead.letters(ALL, 10)
        assert (letter.id, letter.name, letter.payload, letter.attempts) == ("a", "Job", b"body", 3)
        assert letter.reason == "attempts" and "boom 3" in letter.error and letter.headers["h"][0] == "v"


async def test_poison_runs_three_times_and_its_letter_knows_the_last_words(house):
    async with house() as one:
        await one.push(one.job("poison"), one.job("good"))
        runs = []
        while len(runs) < 4:
            delivery = await one.sink.take()
            runs.append(delivery.job.id)
            answer(delivery) if delivery.job.id == "good" else crash(delivery)
        assert sorted(runs) == ["good", "poison", "poison", "poison"]
        await one.idle()
        assert await one.sink.quiet()
        (letter,) = await one.dead.letters(ALL, 10)
        assert (letter.id, letter.crashes, letter.signal, letter.pid) == ("poison", 3, 9, 4711)
        assert letter.output == "last words" and letter.reason == "crashes"


@pytest.fixture
def kill(house):
    async def to_letters(one, *idents):
        for ident in idents:
            await one.push(one.job(ident, ident.encode(), job=f"Job-{ident}", headers={"rr-retry": ["max_attempts=1"]}))
            raise_error(await one.sink.take())
        await one.idle()

    return to_letters


async def test_a_replayed_letter_is_a_job_again_and_cannot_be_replayed_twice(house, kill):
    async with house() as one:
        await kill(one, "a", "b")
        letters = {letter.id: letter for letter in await one.dead.letters(ALL, 10)}
        assert await one.dead.replay([letters["a"].key]) == [""]
        again = await one.sink.take()
        assert (again.job.id, again.job.payload, again.attempt) == ("a", b"a", 1)
        answer(again)
        (second,) = await one.dead.replay([letters["a"].key])
        assert "replayed already" in second
        assert [letter.id for letter in await one.dead.letters(ALL, 10)] == ["b"]


async def test_letters_can_be_chosen_counted_and_dropped(house, kill):
    async with house() as one:
        await kill(one, "a", "b", "c")
        chosen = await one.dead.letters(Wanted(names=("Job-b",)), 10)
        assert [letter.id for letter in chosen] == ["b"]
        assert (await one.dead.counts()).held == 3
        assert await one.dead.drop([chosen[0].key]) == [""]
        (missing,) = await one.dead.drop(["no such key"])
        assert "there is no letter" in missing
        assert sorted(letter.id for letter in await one.dead.letters(ALL, 10)) == ["a", "c"]


async def test_letters_outlive_the_server(house, kill):
    async with house() as one:
        await kill(one, "a")
    async with house() as other:
        assert [letter.id for letter in await other.dead.letters(ALL, 10)] == ["a"]


async def test_the_oldest_letters_make_room(house, kill):
    async with house(dead_letter={"max_letters": 2}) as one:
        await kill(one, "a", "b", "c")
        found = {letter.id for letter in await one.dead.letters(ALL, 10)}
        assert "c" in found and len(found) <= 3


async def test_an_auto_ack_job_runs_at_most_once(house):
    async with house() as one:
        await one.push(one.job("a", auto_ack=True))
        crash(await one.sink.take())
        await one.idle()
        assert await one.sink.quiet()
        (letter,) = await one.dead.letters(ALL, 10)
        assert (letter.id, letter.reason) == ("a", "auto_ack")


async def test_a_job_with_its_own_policy_follows_it(house):
    async with house() as one:
        await one.push(one.job("a", headers={"rr-retry": ["max_attempts=2,initial=0s"]}))
        raise_error(await one.sink.take())
        again = await one.sink.take()
        assert again.attempt == 2
        raise_error(again)
        await one.idle()
        assert [letter.attempts for letter in await one.dead.letters(ALL, 10)] == [2]
