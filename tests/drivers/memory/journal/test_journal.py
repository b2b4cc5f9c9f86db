"""The journal as its driver sees it: what waits for the disk, what does not, and what a full disk does to both."""

import asyncio

import pytest
from journal_doubles import FOLDER, MemoryDisk

from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
from rrjobs.drivers.memory.journal.journal import Journal, open_journal
from rrjobs.errors import EntryGone, JournalError, JournalFull

RESERVE = 10_000


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk()


@pytest.fixture
async def open_on(disk, events, tmp_path):
    """Open a journal on the memory disk; all are closed at the end."""
    opened: list[Journal] = []

    async def start(**settings: object) -> Journal:
        config = JournalConfig(**{"reserve_bytes": RESERVE, **settings})  # type: ignore[arg-type]
        journal, _ = await open_journal(FOLDER, config, events, disk)
        opened.append(journal)
        return journal

    yield start
    for journal in opened:
        await journal.close()


async def live(disk: MemoryDisk) -> dict[int, tuple[int, bytes]]:
    """What a machine that crashes now comes back with."""
    from rrjobs.drivers.memory.journal.opening import begin

    return {number: (kind, payload) for number, kind, payload in begin(disk.after_crash(0), FOLDER).recovered}


async def until(condition, what: str) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - other threads move it
            await asyncio.sleep(0.001)


async def test_a_push_is_on_disk_when_it_returns(open_on, disk):
    journal = await open_on()
    assert await journal.add(1, [b"a", b"b"]) == [1, 2]
    assert await live(disk) == {1: (1, b"a"), 2: (1, b"b")}


async def test_with_sync_interval_the_disk_follows_by_itself(open_on, disk):
    journal = await open_on(sync=Sync.INTERVAL, interval_s=0.01)
    before = disk.log.count("fdatasync")
    await journal.add(1, [b"a"])
    assert len(disk.after_kill().names(FOLDER)) == 1
    await until(lambda: disk.log.count("fdatasync") > before, "the sync")
    assert await live(disk) == {1: (1, b"a")}


async def test_concurrent_pushes_share_one_sync(open_on, disk):
    journal = await open_on()
    before = disk.log.count("fdatasync")
    await asyncio.gather(*(journal.add(1, [b"%d" % one]) for one in range(100)))
    assert disk.log.count("fdatasync") == before + 1
    assert len(await live(disk)) == 100


async def test_settles_of_one_turn_become_one_record_and_wait_for_nobody(open_on, disk):
    journal = await open_on()
    numbers = await journal.add(1, [b"x"] * 50)
    before = disk.log.count("write")
    for number in numbers:
        journal.remove(number)
    assert journal.state.entries == 0
    await until(lambda: disk.log.count("write") > before, "the write")
    await journal.sync()
    assert disk.log.count("write") == before + 1
    assert await live(disk) == {}


async def test_settles_reach_the_disk_without_any_push(open_on, disk):
    journal = await open_on()
    journal.remove(*await journal.add(1, [b"x"]))
    before = disk.log.count("fdatasync")
    await until(lambda: disk.log.count("fdatasync") > before, "the sync")
    assert await live(disk) == {}


async def test_a_group_that_touches_an_entry_that_ended_is_refused_whole(open_on, disk):
    journal = await open_on()
    (one,) = await journal.add(1, [b"job"])
    journal.remove(one)
    group = journal.group()
    group.add(1, b"replayed")
    group.remove(one)
    with pytest.raises(EntryGone):
        journal.submit(group)
    with pytest.raises(EntryGone):
        journal.remove(one)
    again = journal.group()
    again.replace(one, 1, b"late")
    with pytest.raises(EntryGone):
        journal.keep(again)
    await journal.sync()
    assert journal.state.entries == 0
    assert await live(disk) == {}


async def test_of_several_removals_none_happens_when_one_of_them_cannot(open_on, disk):
    journal = await open_on()
    numbers = await journal.add(1, [b"a", b"b"])
    for several in ((1, 2, 99), (1, 1)):
        with pytest.raises(EntryGone):
            journal.remove(*several)
    await journal.sync()
    assert journal.state.entries == 2
    assert sorted(await live(disk)) == list(numbers)


async def test_a_letter_is_replayed_at_most_once_although_two_ask_at_the_same_time(open_on, disk):
    journal = await open_on()
    (letter,) = await journal.add(2, [b"letter"])
    groups = [journal.group(), journal.group()]
    for group in groups:
        group.add(1, b"job")
        group.remove(letter)
    done = journal.submit(groups[0])
    with pytest.raises(EntryGone):
        journal.submit(groups[1])
    await done
    assert list((await live(disk)).values()) == [(1, b"job")]


async def test_a_full_disk_fails_pushes_keeps_settles_and_comes_round_by_itself(open_on, disk, told):
    journal = await open_on()
    numbers = await journal.add(1, [b"x"] * 3)
    full = True
    disk.fault = lambda number, call: "ENOSPC" if full and call in ("write", "create") else ""
    with pytest.raises(JournalFull, match="the disk is full"):
        await journal.add(1, [b"y"])
    journal.remove(numbers[0])
    letter = journal.group()
    letter.remove(numbers[1])
    letter.add(2, b"dead")
    journal.keep(letter)
    with pytest.raises(JournalFull):
        await journal.add(1, [b"z"])
    assert "the disk is full" in journal.state.reason
    assert journal.state.entries == 2
    full = False
    await until(lambda: not journal.state.reason, "the recovery")
    await journal.sync()
    assert sorted((await live(disk)).values()) == [(1, b"x"), (2, b"dead")]
    assert await journal.add(1, [b"y"])
    assert [name for name, _ in told] == ["journal.failing", "journal.recovered"]


async def test_pushes_stop_while_there_is_still_room_for_settles_and_letters(open_on, disk):
    journal = await open_on()
    numbers = await journal.add(1, [b"x"] * 2)
    disk.free = RESERVE - 1
    with pytest.raises(JournalFull, match="would be left"):
        await journal.add(1, [b"y"])
    group = journal.group()
    group.remove(numbers[0])
    group.add(2, b"dead")
    journal.keep(group)
    await journal.sync()
    assert sorted((await live(disk)).values()) == [(1, b"x"), (2, b"dead")]
    assert journal.state.reason
    disk.free = RESERVE * 10
    await until(lambda: not journal.state.reason, "the recovery")
    await journal.add(1, [b"y"])


async def test_a_journal_that_filled_its_disk_can_be_drained_and_gives_the_room_back(open_on, disk):
    journal = await open_on(segment_bytes=2000)
    numbers = list(await journal.add(1, [b"x" * 50] * 20))
    for _ in range(9):
        numbers += await journal.add(1, [b"x" * 50] * 20)
    disk.free = RESERVE - 1
    with pytest.raises(JournalFull):
        await journal.add(1, [b"y"])
    for number in numbers:
        journal.remove(number)
    await until(lambda: journal.state.disk_bytes < 2000, "the compaction")
    assert sum(len(disk.read(FOLDER / name)) for name in disk.names(FOLDER)) < 3000


@pytest.mark.parametrize("letter_waits", [False, True])
async def test_a_disk_without_any_room_gets_some_from_files_that_only_hold_what_ended(open_on, disk, letter_waits):
    journal = await open_on(segment_bytes=1000)
    numbers = [number for _ in range(10) for number in await journal.add(1, [b"x" * 50] * 10)]
    full = True
    disk.fault = lambda number, call: "ENOSPC" if full and call in ("write", "create") else ""
    if letter_waits:
        group = journal.group()
        group.remove(numbers.pop(0))
        group.add(2, b"dead")
        journal.keep(group)
    journal.remove(*numbers[:-1])
    files = len(disk.names(FOLDER))
    tries = len(disk.log)
    await until(lambda: len(disk.log) > tries + 20, "attempts")
    if letter_waits:
        assert len(disk.names(FOLDER)) == files
        assert len(await live(disk)) == 100
    else:
        assert len(disk.names(FOLDER)) <= 2
    full = False
    await until(lambda: not journal.state.reason, "the recovery")
    await journal.sync()
    expected = [(1, b"x" * 50)] + [(2, b"dead")] * letter_waits
    assert sorted((await live(disk)).values()) == expected


async def test_after_a_failed_sync_the_file_is_left_and_what_it_held_unsynced_is_written_again(open_on, disk, told):
    journal = await open_on()
    numbers = await journal.add(1, [b"x"] * 2)
    journal.remove(numbers[0])
    disk.fault = lambda number, call: "EIO" if call == "fdatasync" and once.pop() else ""
    once = [False] * 10 + [True]
    with pytest.raises(JournalError):
        await journal.add(1, [b"refused"])
    assert await journal.add(1, [b"taken"])
    assert len(disk.names(FOLDER)) == 2
    assert sorted((await live(disk)).values()) == [(1, b"taken"), (1, b"x")]
    assert [name for name, _ in told] == ["journal.failing", "journal.recovered"]


async def test_a_cancelled_pusher_leaves_the_others_alone(open_on, disk):
    journal = await open_on()
    pushes = [asyncio.ensure_future(journal.add(1, [b"%d" % one])) for one in range(3)]
    await asyncio.sleep(0)
    pushes[1].cancel()
    results = await asyncio.gather(*pushes, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert results[0] == list(range(1, 2))
    assert len(await live(disk)) == 3


async def test_what_a_pusher_left_behind_is_called_once_it_is_known_whether_its_group_is_safe(open_on, disk):
    journal = await open_on()
    called: list[tuple[str, bool]] = []
    for name, what in (("kept", ""), ("refused", "ENOSPC")):
        disk.fault = lambda number, call, what=what: what if call == "write" else ""
        group, other = journal.group(), journal.group()
        group.add(1, b"x"), other.add(1, b"y")
        left = journal.submit(group, lambda safe, name=name: called.append((name, safe)))
        waits = journal.submit(other)
        left.cancel()
        await asyncio.wait([waits])
        assert called.pop() == (name, not what)
        assert not called
        assert (waits.exception() is None) == (not what)


async def test_what_goes_wrong_behind_a_push_holds_up_no_other(open_on, disk):
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
    journal = await open_on()
    groups = [journal.group() for _ in range(3)]
    for group in groups:
        group.add(1, b"x")
    err = ValueError("wrong")

    def fail(safe: bool) -> None:
        raise err

    await asyncio.gather(*(journal.submit(group, fail) for group in groups))
    assert told == [err] * 3
    assert len(await live(disk)) == 3


async def test_compaction_keeps_what_is_live_while_pushes_and_settles_go_on(open_on, disk):
    journal = await open_on(segment_bytes=3000)
    kept = list(await journal.add(1, [b"kept" * 10] * 10))
    most = 0
    for turn in range(150):
        numbers = await journal.add(1, [b"gone" * 10] * 5)
        for number in numbers:
            journal.remove(number)
        if turn % 10 == 0:
            group = journal.group()
            group.replace(kept[turn // 10 % 10], 2, b"changed" * 5)
            journal.keep(group)
            if journal._compactor._task is not None:  # a loaded machine gives its thread no time otherwise
                await asyncio.wait([journal._compactor._task])
        most = max(most, journal.state.disk_bytes)
    await journal.sync()
    assert disk.log.count("unlink") > 5
    assert most < 5 * 3000
    assert sorted(await live(disk)) == kept


async def test_live_data_is_not_written_again_and_again(open_on, disk):
    journal = await open_on(segment_bytes=5000)
    for _ in range(20):
        await journal.add(1, [b"live" * 20] * 10)
    written = 0
    plain = disk.write

    def counting(fd, data, offset):
        nonlocal written
        written += len(data)
        return plain(fd, data, offset)

    disk.write = counting
    pushed = 0
    for _ in range(300):
        numbers = await journal.add(1, [b"gone" * 20] * 10)
        pushed += 10 * (80 + 13 + 8) + 64
        journal.remove(*numbers)
    await journal.sync()
    assert written < 4 * pushed
    most = 3 * journal.state.payload_bytes + 5 * 5000
    await until(lambda: journal.state.disk_bytes < most, "the compaction, which a loaded machine gives little time")


async def test_large_entries_and_a_group_over_several_segments_worth_come_back(open_on, disk, events):
    journal = await open_on(segment_bytes=1000)
    await journal.add(1, [b"L" * 5000, b"", b"M" * 3000])
    await journal.add(1, [b"s"])
    await journal.close()
    journal, found = await open_journal(FOLDER, JournalConfig(reserve_bytes=0), events, disk)
    assert [len(payload) for _, _, payload in found] == [5000, 0, 3000, 1]
    await journal.close()


async def test_a_closed_journal_refuses_everything(open_on):
    journal = await open_on()
    await journal.close()
    with pytest.raises(JournalError, match="closed"):
        await journal.add(1, [b"x"])
    with pytest.raises(JournalError, match="closed"):
        journal.remove(1)


async def test_closing_on_a_dead_disk_ends_and_says_what_was_lost(open_on, disk, told):
    journal = await open_on()
    numbers = await journal.add(1, [b"x"] * 2)
    disk.fault = lambda number, call: "EIO"
    journal.remove(*numbers)
    async with asyncio.timeout(5):
        await journal.close()
    assert "2 changes are lost" in str(told[-1][1]["reason"])
    assert len(await live(disk)) == 2
