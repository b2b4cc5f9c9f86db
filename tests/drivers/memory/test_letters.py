"""Dead letters of the memory driver: kept within limits, replayed once, told what became of those that are gone."""

import asyncio

import pytest

from rrjobs.drivers.memory.config import MemoryConfig
from rrjobs.drivers.memory.driver import MemoryDriver
from rrjobs.drivers.memory.store import Volatile
from rrjobs.errors import DriverError, PushRefused
from rrjobs.pipeline.dead_letter import ALL, LetterCounts, Limits, Wanted
from rrjobs.pipeline.judge import PolicyJudge
from rrjobs.pipeline.policy import Policy, Retry
from rrjobs.runtime.events import Events
from rrjobs.worker.load import Fault, FaultKind

CRASH = Fault(FaultKind.CRASHED, "the worker got SIGKILL", pid=77, signal=9, output="x" * 40_000 + "last words")


def kill(sink) -> str:
    """Let the next delivery take its worker down for good."""
    delivery = sink.take()
    delivery.crashes = 2
    delivery.failed(CRASH)
    return delivery.ident


async def keys(driver, wanted=ALL) -> list[str]:
    return [letter.key for letter in await driver.dead.letters(wanted, 100)]


async def test_a_letter_tells_all_that_is_known(started, sink, job):
    driver = await started()
    await driver.push([job(1, priority=4, headers={"a": ["b"], "rr-attempt": ["6"], "rr-crashes": ["2"]})])
    sink.take().failed(CRASH)
    (letter,) = await driver.dead.letters(ALL, 10)
    assert (letter.id, letter.pipeline, letter.name, letter.payload, letter.priority) == ("1", "test", "ping", b"", 4)
    assert (letter.attempts, letter.crashes, letter.reason) == (6, 3, "crashes")
    assert (letter.pid, letter.signal, letter.exit_code) == (77, 9, None)
    assert letter.error == "crashed: the worker got SIGKILL"
    assert letter.output.endswith("last words")
    assert len(letter.output) == 16 * 1024
    assert letter.headers == {"a": ["b"]}
    assert (await driver.state()).active == 0


async def test_a_replayed_job_begins_anew_with_its_own_id_and_headers(started, sink, job):
    driver = await started()
    await driver.push([job(1, priority=4, headers={"a": ["b"], "rr-attempt": ["6"], "rr-crashes": ["2"]})])
    sink.take().failed(CRASH)
    assert await driver.dead.replay(await keys(driver)) == [""]
    again = sink.take()
    assert (again.ident, again.attempt, again.crashes, again.priority) == ("1", 1, 0, 4)
    assert again.job.headers == {"a": ["b"]}
    assert await keys(driver) == []


async def test_a_second_replay_of_a_letter_says_so_and_pushes_nothing(started, sink, job):
    driver = await started()
    await driver.push([job(1), job(2)])
    kill(sink), kill(sink)
    first, second = await keys(driver)
    assert await driver.dead.replay([first]) == [""]
    assert await driver.dead.replay([first, second, first, "nope"]) == [
        f"letter {first} was replayed already",
        "",
        f"letter {first} was replayed already",
        "there is no letter nope",
    ]
    assert await driver.dead.replay(["1"]) == ["letter 1 was replayed already"]
    assert sink.offered == ["1", "2", "1", "2"]


async def test_a_dropped_letter_is_gone_and_says_so(started, sink, job):
    driver = await started()
    await driver.push([job(1)])
    kill(sink)
    (key,) = await keys(driver)
    assert await driver.dead.drop([key]) == [""]
    assert await driver.dead.drop([key]) == [f"letter {key} was dropped already"]
    assert await driver.dead.replay([key]) == [f"letter {key} was dropped already"]
    assert await driver.dead.counts() == LetterCounts(0, 0, 0)


async def test_the_oldest_letters_make_room_and_are_counted(started, sink, job):
    driver = await started()
    driver.dead.limits = Limits(max_letters=3)
    await driver.push([job(number) for number in range(5)])
    for _ in range(5):
        kill(sink)
    assert [letter.id for letter in await driver.dead.letters(ALL, 10)] == ["2", "3", "4"]
    counts = await driver.dead.counts()
    assert (counts.held, counts.lost) == (3, 2)
    assert await driver.dead.replay(["0"]) == ["letter 0 made room for newer ones, or was too old"]


async def test_letters_are_bounded_in_bytes_and_one_of_any_size_is_kept(started, sink, job):
    driver = await started()
    driver.dead.limits = Limits(max_bytes=20_000 * 3)
    await driver.push([job(number) for number in range(6)])
    for _ in range(6):
        kill(sink)
    counts = await driver.dead.counts()
    assert (counts.held, counts.lost) == (3, 3)
    assert counts.held_bytes <= 60_000
    driver.dead.limits = Limits(max_bytes=1)
    await driver.push([job("big")])
    kill(sink)
    assert [letter.id for letter in await driver.dead.letters(ALL, 10)] == ["big"]


async def test_old_letters_are_forgotten(started, sink, job):
    driver = await started()
    now = [1000.0]
    driver.dead._now = lambda: now[0]
    driver.judge = PolicyJudge(now=lambda: now[0])
    driver.dead.limits = Limits(max_age_s=60)
    await driver.push([job(1), job(2)])
    kill(sink)
    now[0] += 40
    kill(sink)
    now[0] += 40
    assert [letter.id for letter in await driver.dead.letters(ALL, 10)] == ["2"]
    assert (await driver.dead.counts()).lost == 1


async def test_letters_are_found_by_key_id_name_reason_and_age(started, sink, job):
    driver = await started()
    now = [1000.0]
    driver.dead._now = lambda: now[0]
    driver.judge = PolicyJudge(now=lambda: now[0])
    await driver.push([job(1), job(2)])
    kill(sink)
    now[0] += 100
    sink.take().answer(0, 0, b"", b"junk")
    await driver.push([job(3)])
    delivery = sink.take()
    delivery.answer(0, 0, b"", b"junk")
    delivery.finished()
    first, last = await keys(driver)
    assert await keys(driver, Wanted(keys=[first])) == [first]
    assert await keys(driver, Wanted(keys=["3"])) == [last]
    assert await keys(driver, Wanted(names=["ping"])) == [first, last]
    assert await keys(driver, Wanted(names=["pong"])) == []
    assert await keys(driver, Wanted(reasons=["malformed"])) == [last]
    assert await keys(driver, Wanted(older_s=50)) == [first]
    assert await keys(driver, Wanted(younger_s=50)) == [last]


class SlowStore(Volatile):
    """A store that takes until the test says so, or refuses."""

    def __init__(self) -> None:
        self.answer = asyncio.get_running_loop().create_future()
        self.asked = 0

    async def revive(self, letters, jobs, then) -> None:
        self.asked += 1
        try:
            await self.answer
        except DriverError:
            then(False)
            raise
        then(True)


@pytest.fixture
async def slow(clock, sink):
    store = SlowStore()
    driver = MemoryDriver("test", MemoryConfig(), Events(), timers=clock, store=store)
    driver.judge = PolicyJudge()
    running = asyncio.create_task(driver.run(sink))
    await asyncio.sleep(0)
    await driver.resume()
    yield driver, store
    await driver.close()
    await running


async def test_a_letter_stays_until_the_store_has_its_job_and_is_replayed_by_one_only(slow, sink, job):
    driver, store = slow
    await driver.push([job(1)])
    kill(sink)
    (key,) = await keys(driver)
    replaying = asyncio.create_task(driver.dead.replay([key]))
    await asyncio.sleep(0)
    assert await keys(driver) == [key]
    assert await driver.dead.replay([key]) == [f"letter {key} is being replayed"]
    assert await driver.dead.drop([key]) == [f"letter {key} is being replayed"]
    driver.dead.limits = Limits(max_letters=1)
    await driver.push([job(2)])
    kill(sink)
    store.answer.set_result(None)
    assert await replaying == [""]
    assert (store.asked, sink.offered) == (1, ["1", "2", "1"])


async def test_a_replay_that_the_store_refuses_changes_nothing(slow, sink, job):
    driver, store = slow
    await driver.push([job(1)])
    kill(sink)
    (key,) = await keys(driver)
    store.answer.set_exception(DriverError("the disk is full"))
    with pytest.raises(DriverError, match="the disk is full"):
        await driver.dead.replay([key])
    assert await keys(driver) == [key]
    assert sink.offered == ["1"]
    store.answer = asyncio.get_running_loop().create_future()
    store.answer.set_result(None)
    assert await driver.dead.replay([key]) == [""]


async def test_a_replay_into_a_closed_pipeline_is_refused_and_the_letter_stays(started, sink, job):
    driver = await started()
    await driver.push([job(1)])
    kill(sink)
    (key,) = await keys(driver)
    await driver.close()
    with pytest.raises(PushRefused, match="is closed"):
        await driver.dead.replay([key])
    assert await keys(driver) == [key]


async def test_a_job_that_fails_waits_longer_each_time_and_carries_its_history(started, sink, clock, job):
    driver = await started()
    driver.judge = PolicyJudge(Policy(3, Retry(3, 2, 2, 60, 0)), now=lambda: 5000.0)
    pushed = job(1, headers={"a": ["b"]})
    pushed.pushed_at = 4000.0
    await driver.push([pushed])
    for wait_s in (2, 4):
        sink.take().failed(Fault(FaultKind.ERROR, "boom"))
        assert [(one.job.id, one.in_s) for one in await driver.delayed(10)] == [("1", wait_s)]
        clock.advance(wait_s)
    last = sink.take()
    assert (last.attempt, last.crashes) == (3, 0)
    assert last.job.headers == {"a": ["b"], "rr-attempt": ["3"], "rr-pushed-at": ["4000.000"]}
    last.failed(Fault(FaultKind.ERROR, "boom"))
    (letter,) = await driver.dead.letters(ALL, 10)
    assert (letter.attempts, letter.reason, letter.pushed_at, letter.died_at) == (3, "attempts", 4000.0, 5000.0)


async def test_a_return_is_no_attempt(started, sink, job):
    driver = await started()
    await driver.push([job(1)])
    sink.take().dropped("drain")
    await driver.push([])
    assert sink.take().attempt == 1


async def test_a_job_and_an_answer_may_bring_a_policy_of_their_own_that_travels(started, sink, clock, job):
    driver = await started()
    await driver.push([job(1, headers={"rr-retry": ["max_attempts=2,initial=5s,jitter=0"]})])
    delivery = sink.take()
    delivery.answer(0, 0, b"", b'{"type":1,"data":{"message":"no","retry":{"max_attempts":3}}}')
    delivery.finished()
    assert [one.in_s for one in await driver.delayed(10)] == [5]
    clock.advance(5)
    again = sink.take()
    assert again.job.headers["rr-retry"] == ["max_attempts=3,initial=5s,jitter=0"]
    again.failed(Fault(FaultKind.ERROR, "boom"))
    clock.advance(10)
    sink.take().failed(Fault(FaultKind.ERROR, "boom"))
    assert [(one.attempts, one.reason) for one in await driver.dead.letters(ALL, 10)] == [(3, "attempts")]


async def test_a_foreign_policy_that_cannot_be_is_no_matter(started, sink, job):
    driver = await started()
    await driver.push([job(1, headers={"rr-retry": ["often"]})])
    sink.take().failed(Fault(FaultKind.ERROR, "boom"))
    assert sink.take().attempt == 2
