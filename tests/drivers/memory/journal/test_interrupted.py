"""What a worker had when the server was killed: in its old place, with an attempt more, and not for ever."""

import asyncio
from collections.abc import Callable

import pytest
from journal_doubles import FOLDER, MemoryDisk
from memory_doubles import HandSink

from rrjobs.drivers.memory.config import MemoryConfig
from rrjobs.drivers.memory.driver import MemoryDriver
from rrjobs.drivers.memory.journal import note_file
from rrjobs.drivers.memory.journal.config import JournalConfig
from rrjobs.drivers.memory.journal.lent import LENT_NAME, SLOTS
from rrjobs.drivers.memory.journalled import Journalled
from rrjobs.drivers.memory.store import Kept
from rrjobs.pipeline.dead_letter import ALL
from rrjobs.pipeline.delivery import Delivery, JobDelivery
from rrjobs.pipeline.history import history_of
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.judge import PolicyJudge
from rrjobs.pipeline.outcome import DONE
from rrjobs.pipeline.policy import MAX_INTERRUPTIONS, Policy, Retry
from rrjobs.runtime.events import Events


class Lane:
    """The lane of a worker that gets one delivery at a time, or several when `before_next` is a list."""

    before_next: list[Callable[[], None]] | None = None

    def give_back(self, delivery: Delivery) -> None: ...


class Life:
    """One life of a pipeline whose server is killed at its end."""

    def __init__(self, disk: MemoryDisk, events: Events | None = None) -> None:
        self.store = Journalled("test", FOLDER, JournalConfig(reserve_bytes=0), events or Events(), disk)
        self.driver = MemoryDriver("test", MemoryConfig(), Events(), store=self.store)
        self.driver.judge = PolicyJudge(Policy(1, Retry(max_attempts=1)))
        self.sink = HandSink()
        self.lane = Lane()

    async def __aenter__(self) -> "Life":
        await self.driver.open()
        self.task = asyncio.create_task(self.driver.run(self.sink))
        await asyncio.sleep(0)
        await self.driver.resume()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.store.close(Kept())
        self.task.cancel()
        await asyncio.wait([self.task])

    async def push(self, *jobs: Job) -> None:
        await self.driver.push(jobs)

    def lend(self) -> JobDelivery:
        """To a worker."""
        delivery = self.sink.take()
        delivery.lane = self.lane
        delivery.encode()
        return delivery

    def taken(self) -> list[tuple[str, int]]:
        """Ids and attempts of what waits, in the order in which it will run."""
        found = []
        while len(self.sink.queue):
            delivery = self.sink.take()
            found.append((delivery.ident, delivery.attempt))
        return found


def job(ident: str, **more: object) -> Job:
    return Job(ident, "ping", b"x", "test", 10, **more)  # type: ignore[arg-type]


async def test_it_comes_back_in_its_place_with_an_attempt_more_and_no_crash():
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(job("a"), job("b"), job("c"))
        life.lend()
        left = disk.after_kill()
    async with Life(left) as life:
        assert await life.driver.dead.letters(ALL, 9) == []
        first = life.sink.queue.peek()
        assert first is not None
        assert (first.crashes, history_of(first.job.headers).interruptions) == (0, 1)
        assert first.job.headers["rr-attempt"] == ["2"]
        assert life.taken() == [("a", 2), ("b", 1), ("c", 1)]


async def test_what_was_returned_or_was_never_lent_keeps_its_attempt():
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(job("a"), job("b"))
        delivery = life.lend()
        life.lane.give_back = life.sink.offer  # type: ignore[method-assign,assignment]
        delivery.returned()
        left = disk.after_kill()
    async with Life(left) as life:
        assert life.taken() == [("a", 1), ("b", 1)]


async def test_a_job_that_is_done_is_not_run_again_though_its_end_is_not_in_the_journal_yet():
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(job("a"), job("b"))
        one = life.lend()
        life.driver.settle(one, DONE)
        life.lend()
        left = disk.after_kill()  # before the journal has the end of a
        await life.store._journal.sync()
        later = disk.after_kill()
    for found in (left, later):
        async with Life(found) as life:
            assert life.taken() == [("b", 2)]
            again = found.after_kill()
        async with Life(again) as life:
            assert life.taken() == [("b", 2)]


async def test_what_is_written_to_workers_together_is_noted_in_one_write_just_before():
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(*(job(str(number)) for number in range(20)))
        life.lane.before_next = before = []
        for _ in range(20):
            life.lend()
        assert len(before) == 1
        calls = disk.log.count("write")
        before[0]()
        assert disk.log.count("write") == calls + 1
        left = disk.after_kill()
    async with Life(left) as life:
        assert life.taken() == [(str(number), 2) for number in range(20)]


async def test_what_is_done_in_one_turn_of_the_loop_is_noted_at_its_end_in_one_write():
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(*(job(str(number)) for number in range(20)))
        lent = [life.lend() for _ in range(20)]
        calls = disk.log.count("write")
        for delivery in lent[:15]:
            life.driver.settle(delivery, DONE)
        await asyncio.sleep(0)
        assert disk.log.count("write") == calls + 1
        left = disk.after_kill()
    async with Life(left) as life:
        assert life.taken() == [(str(number), 2) for number in range(15, 20)]


async def test_what_is_done_is_noted_before_a_worker_gets_more():
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(job("a"), job("b"))
        one = life.lend()
        life.lane.before_next = before = []
        life.driver.settle(one, DONE)
        life.lend()
        before[0]()
        left = disk.after_kill()
    async with Life(left) as life:
        assert life.taken() == [("b", 2)]


@pytest.mark.parametrize("again", [False, True])
async def test_one_that_was_encoded_and_did_not_fit_is_noted_when_its_turn_comes_again_and_not_before(again):
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(job("a"), job("b"))
        life.lane.before_next = before = []
        life.lend()
        second = life.lend()
        life.sink.queue.push_front(10, (second,))
        second.not_lent()
        if again:
            life.lend()
        before[0]()
        left = disk.after_kill()
    async with Life(left) as life:
        assert life.taken() == [("a", 2), ("b", 1 + again)]


async def test_each_death_of_the_server_counts_once_also_when_it_dies_again_at_its_start():
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(job("a"))
        life.lend()
        disk = disk.after_kill()
    for _ in range(3):
        store = Journalled("test", FOLDER, JournalConfig(), Events(), disk)
        driver = MemoryDriver("test", MemoryConfig(), Events(), store=store)
        driver.judge = PolicyJudge()
        kept = await store.open()
        if kept.interrupted:
            store.renew(kept.jobs[0], kept.jobs[0].again(0, {"rr-attempt": ["2"]}))
            await store._journal.sync()
        disk = disk.after_kill()  # before the notes were forgotten
        await store.close(Kept())
    async with Life(disk) as life:
        assert life.taken() == [("a", 2)]


async def test_a_job_that_may_run_once_only_is_a_dead_letter():
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(job("once", auto_ack=True), job("waits", auto_ack=True))
        life.lend()
        left = disk.after_kill()
    async with Life(left) as life:
        (letter,) = await life.driver.dead.letters(ALL, 9)
        assert (letter.id, letter.reason, letter.attempts) == ("once", "auto_ack", 1)
        assert life.taken() == [("waits", 1)]
        left = left.after_kill()
    async with Life(left) as life:
        assert [one.id for one in await life.driver.dead.letters(ALL, 9)] == ["once"]
        assert life.taken() == [("waits", 1)]


async def test_a_job_at_whose_side_server_after_server_dies_is_a_dead_letter_at_last():
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(job("a"))
        life.lend()
        disk = disk.after_kill()
    for attempt in range(2, MAX_INTERRUPTIONS + 1):
        async with Life(disk) as life:
            assert life.lend().attempt == attempt
            disk = disk.after_kill()
    async with Life(disk) as life:
        (letter,) = await life.driver.dead.letters(ALL, 9)
        assert (letter.reason, letter.attempts, letter.crashes) == ("interrupted", MAX_INTERRUPTIONS, 0)
        assert letter.error == "interrupted: the server was killed while a worker had it"
        assert life.taken() == []


async def test_more_jobs_than_slots_are_all_noted():
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(*(job(str(number)) for number in range(SLOTS + 50)))
        for _ in range(SLOTS + 50):
            life.lend()
        left = disk.after_kill()
    async with Life(left) as life:
        assert {attempt for _, attempt in life.taken()} == {2}
    assert len(left.read(FOLDER / LENT_NAME)) == SLOTS * 16


@pytest.mark.parametrize("content", [b"", b"\x00", b"junk" * 100, bytes(range(256)) * 3])
async def test_notes_that_say_nothing_change_nothing(content):
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(job("a"))
        left = disk.after_kill()
    left.names_seen[FOLDER / LENT_NAME].seen[:] = content
    async with Life(left) as life:
        assert life.taken() == [("a", 1)]


async def test_a_disk_that_takes_no_notes_is_told_of_once_and_the_jobs_run(events, told):
    disk = MemoryDisk()
    async with Life(disk, events) as life:
        await life.push(job("a"), job("b"))
        disk.fault = lambda number, call: "EIO" if call == "write" else ""
        life.lend(), life.lend()
        disk.fault = lambda number, call: ""
        reasons = [fields["reason"] for name, fields in told if name == "journal.failing"]
        assert len([one for one in reasons if "cannot note which jobs run" in str(one)]) == 1
        left = disk.after_kill()
    async with Life(left) as life:
        assert life.taken() == [("a", 1), ("b", 1)]


async def test_notes_come_to_the_disk_in_their_time_and_then_outlive_the_machine(monkeypatch):
    monkeypatch.setattr(note_file, "SYNC_S", 0.001)
    disk = MemoryDisk()
    async with Life(disk) as life:
        await life.push(job("a"))
        await life.store._journal.sync()
        life.lend()
        async with asyncio.timeout(5):
            while disk.names_seen[FOLDER / LENT_NAME].pending:  # noqa: ASYNC110 - a sync of the disk is no event
                await asyncio.sleep(0.001)
        left = disk.after_crash(0)
    async with Life(left) as life:
        assert life.taken() == [("a", 2)]
