"""Slots that are set and written: the file is what was set, with few writes, and comes to the disk."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_doubles import FOLDER, MemoryDisk

from rrjobs.drivers.memory.journal import note_file
from rrjobs.drivers.memory.journal.note_file import NEAR, NoteFile, slots_of

PATH = FOLDER / "notes"


def opened(disk: MemoryDisk, slots: int = 16) -> NoteFile:
    file = NoteFile(disk, PATH, lambda reason: pytest.fail(reason))
    assert file.open() == b""
    file.begin(slots)
    return file


Sets = st.dictionaries(st.integers(0, 80), st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), min_size=1)


@given(st.lists(Sets, max_size=6))
async def test_the_file_holds_what_was_set_last_and_zeros_elsewhere(turns):
    disk = MemoryDisk()
    file = opened(disk)
    expected: dict[int, tuple[int, int]] = {}
    for turn in turns:
        slots = list(turn)
        file.put(slots, [number for number, _ in turn.values()], [value for _, value in turn.values()])
        file.write()
        expected |= turn
        found = list(slots_of(disk.read(PATH)))
        assert len(found) >= 1 + max(expected)
        assert found == [expected.get(slot, (0, 0)) for slot in range(len(found))]
    await file.close()


async def test_neighbours_go_out_together_and_what_is_far_apart_goes_by_itself():
    disk = MemoryDisk()
    file = opened(disk, 500)
    for slots, count in (([3, 4, 5], 1), ([9, 7, 8], 1), ([1, 1 + NEAR], 1), ([0, 200, 201, 400], 3)):
        before = disk.log.count("write")
        file.put(slots, slots, slots)
        file.write()
        assert disk.log.count("write") == before + count, slots
    await file.close()


class SlowDisk(MemoryDisk):
    """Its syncs end when they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def fdatasync(self, fd: int) -> None:
        super().fdatasync(fd)
        self.under_way.set()
        assert self.go_on.wait(10)


async def test_what_is_written_during_a_sync_gets_one_of_its_own(monkeypatch):
    monkeypatch.setattr(note_file, "SYNC_S", 0.001)
    disk = SlowDisk()
    file = opened(disk)
    disk.under_way.clear()
    disk.go_on.clear()
    file.put([1], [1], [1])
    file.write()
    assert await asyncio.to_thread(disk.under_way.wait, 10)
    file.put([2], [2], [2])
    file.write()
    assert disk.names_seen[PATH].pending
    await asyncio.sleep(0.005)  # its time comes while the first sync is still under way
    disk.go_on.set()
    async with asyncio.timeout(10):
        while disk.names_seen[PATH].pending:  # noqa: ASYNC110 - a sync of the disk is no event
            await asyncio.sleep(0.001)
    assert list(slots_of(disk.after_crash(0).read(PATH)))[1:3] == [(1, 1), (2, 2)]
    await file.close()
