"""Every call to the disk is once the moment of a crash, and once fails; what is recovered is held against a model."""

import asyncio
import os
import random
from collections.abc import Callable
from contextlib import suppress

import pytest
from journal_doubles import FOLDER, MemoryDisk
from journal_model import Down, Ledger, State

from rrjobs.drivers.memory.journal import backlog
from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
from rrjobs.drivers.memory.journal.journal import open_journal
from rrjobs.drivers.memory.journal.opening import begin
from rrjobs.errors import JournalError
from rrjobs.runtime.events import Events

SMALL = {"segment_bytes": 400, "reserve_bytes": 0}
JOB, LETTER = 1, 2
SEEDS = range(int(os.environ.get("SOAK_SEEDS", "30")))
MANY_SEEDS = 5 * len(SEEDS)
MOST_CALLS = 400
pytestmark = pytest.mark.soak


def recovered(disk: MemoryDisk) -> State:
    return {number: (kind, payload) for number, kind, payload in begin(disk, FOLDER).recovered}


async def work(ledger: Ledger) -> None:
    """Pushes, retries, dead letters, replays and settles, enough for several segments and compactions."""
    for turn in range(6):
        tag = b"%d" % turn
        one, two = ledger.group([(JOB, b"a" + tag)] * 3), ledger.group([(JOB, b"b" + tag * 40)])
        done = await asyncio.gather(ledger.submit(one), ledger.submit(two), return_exceptions=True)
        if Down in map(type, done):
            raise Down
        alone = ledger.group([(JOB, b"c" + tag)])
        await ledger.submit(alone)
        live = sorted(number for number, (kind, _) in ledger.state.items() if kind == JOB)
        if len(live) >= 3:
            ledger.keep(ledger.group([], replace={live[-1]: (JOB, b"again" + tag)}))
            ledger.keep(ledger.group([(LETTER, b"dead" + tag)], remove=(live[-2],)))
            ledger.remove(*live[:-3])
        await ledger.sync()
        letters = [number for number, (kind, _) in ledger.state.items() if kind == LETTER]
        if letters and turn % 2:
            await ledger.submit(ledger.group([(JOB, b"replayed" + tag)], remove=(letters[0],)))
        await compacted(ledger)


async def compacted(ledger: Ledger) -> None:
    """Until the compaction that the work has set off, if it has, came to its end."""
    task = ledger.journal._compactor._task
    if task is not None:
        await asyncio.wait((task,))


async def run(disk: MemoryDisk, sync: Sync) -> Ledger | None:
    """The work on that disk; None when it could not even be opened."""
    try:
        journal, found = await open_journal(FOLDER, JournalConfig(sync, 0.002, **SMALL), Events(), disk)
    except JournalError:
        return None
    assert len(found) == 0
    ledger = Ledger(journal, {}, lambda: disk.crashed)
    with suppress(Down):
        await work(ledger)
        await healthy(ledger)
    await journal.close()
    assert disk.open_files == 0
    return ledger


async def healthy(ledger: Ledger) -> None:
    """Wait until a journal whose disk failed once has written all it kept."""
    async with asyncio.timeout(5):
        while not await ledger.sync() or ledger.journal.state.reason:  # noqa: ASYNC110 - the next attempt is no event
            await asyncio.sleep(0.001)
    assert {number: ledger.state[number] for number in sorted(ledger.state)} == ledger.settled()
    assert set(ledger.state) == set(ledger.journal._live.places)


def at(call: int, what: str) -> Callable[[int, str], str]:
    return lambda number, _: what if number == call else ""


async def calls_of_a_run() -> list[str]:
    disk = MemoryDisk()
    assert await run(disk, Sync.ALWAYS) is not None
    return disk.log


async def test_the_work_needs_every_call_there_is_but_rename():
    assert set(await calls_of_a_run()) >= {"create", "write", "fdatasync", "unlink", "sync_folder"}


@pytest.mark.parametrize("what", ["crash", "crash within", "crash after"])
async def test_what_was_acknowledged_survives_a_crash_at_any_call_and_groups_stay_whole(what):
    for call in range(MOST_CALLS):
        disk = MemoryDisk(at(call, what))
        ledger = await run(disk, Sync.ALWAYS)
        if disk.calls <= call:
            assert call > 50
            return
        possible = [{}] if ledger is None else list(ledger.possible())
        for seed in SEEDS:
            assert recovered(disk.after_crash(seed)) in possible, (call, disk.log[-1], seed)
        assert recovered(disk.after_kill()) in possible, (call, disk.log[-1])
    pytest.fail("the work never ended")


async def test_a_crash_with_sync_interval_loses_an_end_and_no_middle():
    for call in range(0, MOST_CALLS, 2):
        disk = MemoryDisk(at(call, "crash"))
        ledger = await run(disk, Sync.INTERVAL)
        if disk.calls <= call:
            assert call > 40
            return
        acknowledged = [{}] if ledger is None else list(ledger.possible())
        assert recovered(disk.after_kill()) in acknowledged
        if ledger is not None:
            any_end = list(ledger.any_end())
            for seed in SEEDS:
                assert recovered(disk.after_crash(seed)) in any_end, (call, seed)
    pytest.fail("the work never ended")


async def test_a_segment_whose_last_entry_goes_while_it_is_compacted_outlives_the_change_that_took_it():
    unlinked = iter(("crash after",))
    disk = MemoryDisk(lambda _, call: next(unlinked, "") if call == "unlink" else "")
    journal, _ = await open_journal(FOLDER, JournalConfig(Sync.ALWAYS, 0.002, **SMALL), Events(), disk)
    (last,) = await journal.add(JOB, [b"runs again"])
    barrier, retried = journal._committer.barrier, journal.group()

    def retry(_: object) -> None:
        if not retried.numbers:
            retried.remove(last)
            retried.add(JOB, b"runs again")
            journal.keep(retried)

    def watched_barrier() -> asyncio.Future[None]:
        done = barrier()
        done.add_done_callback(retry)  # before the compaction itself is told
        return done

    journal._committer.barrier = watched_barrier
    journal.remove(*await journal.add(JOB, [b"garbage" * 20] * 6))
    async with asyncio.timeout(5):
        while not disk.crashed:  # noqa: ASYNC110 - the disk is no part of the loop
            await asyncio.sleep(0.001)
    assert [payload for _, payload in recovered(disk.after_kill()).values()] == [b"runs again"]
    assert [payload for _, payload in recovered(disk.after_crash(0)).values()] == [b"runs again"]
    await journal.close()


@pytest.mark.parametrize("sync", list(Sync))
@pytest.mark.parametrize("what", ["EIO", "ENOSPC", "short", "half ENOSPC"])
async def test_one_failed_call_costs_the_groups_that_were_told_so_and_nothing_else(what, sync):
    for call in range(MOST_CALLS):
        disk = MemoryDisk(at(call, what))
        ledger = await run(disk, sync)
        if ledger is not None:
            assert recovered(disk.after_kill()) == ledger.settled(), (call, disk.log[call])
            assert recovered(disk.after_crash(0)) == ledger.settled(), (call, disk.log[call])
        if disk.calls <= call:
            assert call > 40
            return
    pytest.fail("the work never ended")


@pytest.mark.parametrize("what", ["EIO", "ENOSPC"])
async def test_a_disk_that_fails_for_a_while_costs_only_what_was_refused(what):
    for first in range(4, 120, 3):
        disk = MemoryDisk(lambda number, _, first=first: what if first <= number < first + 12 else "")
        ledger = await run(disk, Sync.ALWAYS)
        assert ledger is not None
        assert recovered(disk.after_crash(0)) == ledger.settled(), first


@pytest.mark.parametrize("sync", list(Sync))
async def test_a_crash_after_failures_finds_everything_that_was_acknowledged(sync, monkeypatch):
    monkeypatch.setattr(backlog, "BATCH_BYTES", 60)  # so that several batches wait behind the one that fails
    for seed in (
        *range(MANY_SEEDS + 100),
        624,
    ):  # 624: a new segment fails to begin while an end of the old one was unsynced
        dice = random.Random(seed)
        crash = dice.randint(5, 120)
        faults = {dice.randint(4, crash): dice.choice(("EIO", "ENOSPC", "half ENOSPC")) for _ in range(3)}
        faults[crash] = dice.choice(("crash", "crash within", "crash after"))
        disk = MemoryDisk(lambda number, _, faults=faults: faults.get(number, ""))
        ledger = await run(disk, sync)
        assert ledger is not None
        ends = list(ledger.possible() if sync is Sync.ALWAYS else ledger.any_end())
        assert recovered(disk.after_kill()) in ends, seed
        for left in range(8):
            assert recovered(disk.after_crash(left)) in ends, (seed, left)


@pytest.mark.parametrize("what", ["EIO", "ENOSPC"])
async def test_a_crash_while_nothing_can_be_written_finds_everything_that_was_acknowledged(what):
    for seed in range(MANY_SEEDS):
        dice = random.Random(seed)
        first = dice.randint(4, 80)
        crash = first + dice.randint(2, 10)
        faults = dict.fromkeys(range(first, crash), what) | {crash: "crash"}
        blind = dice.choice(({"write", "create"}, {"write", "create", "truncate", "fdatasync"}))
        disk = MemoryDisk(lambda number, call, faults=faults, blind=blind: told(faults.get(number, ""), call, blind))
        ledger = await run(disk, Sync.ALWAYS)
        assert ledger is not None
        ends = list(ledger.possible())
        assert recovered(disk.after_kill()) in ends, seed
        for left in range(8):
            assert recovered(disk.after_crash(left)) in ends, (seed, left)


def told(what: str, call: str, failing: set[str]) -> str:
    """The fault, for a disk that fails only some calls; a crash comes at any."""
    return what if what == "crash" or call in failing else ""
