"""Pipelines without a journal: a clean stop keeps what waits, and says so when it cannot."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from rrjobs.drivers.memory import parked, parked_folder
from rrjobs.drivers.memory.journal.disk import OsDisk
from rrjobs.drivers.memory.journal.layout import encode_header, new_header
from rrjobs.drivers.memory.parked import Parked
from rrjobs.drivers.memory.store import Kept
from rrjobs.errors import DriverError
from rrjobs.pipeline.dead_letter import DeadLetter
from rrjobs.pipeline.job import Job
from rrjobs.runtime.events import Events

YEARS_S = 5 * 366 * 24 * 3600.0


def job(ident: str, **more: object) -> Job:
    return Job(ident, "ping", b"payload", "test", 7, **more)  # type: ignore[arg-type]


def letter(key: str) -> DeadLetter:
    return DeadLetter(key, key, "test", "ping", b"x", {}, 3, 3, "crashes", died_at=1.0)


LEFT = Kept([job("a", headers={"h": ["1"]}, auto_ack=True), job("b", delay_s=YEARS_S)], [letter("dead")])


class FailingDisk(OsDisk):
    """After so many writes every other one fails."""

    def __init__(self, good: int, number: int) -> None:
        self.good = good
        self.number = number

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        self.good -= 1
        if self.good < 0:
            raise OSError(self.number, os.strerror(self.number))
        return super().write(fd, data, offset)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "parked" / "test"


async def left_behind(folder: Path) -> None:
    store = Parked("test", folder, Events())
    await store.open()
    await store.close(LEFT)


def contents(folder: Path) -> dict[str, bytes]:
    """Of its files, but for the lock, which holds a pid."""
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


async def refusal(folder: Path) -> str:
    """Of the next start; what is there stays as it is."""
    before = contents(folder)
    store = Parked("test", folder, Events())
    with pytest.raises(DriverError) as raised:
        await store.open()
    await store.close(Kept())
    assert contents(folder) == before
    assert str(folder) in str(raised.value)
    return str(raised.value)


async def test_what_waits_is_there_once_at_the_next_start(folder):
    await left_behind(folder)
    assert folder.exists()
    store = Parked("test", folder, Events())
    kept = await store.open()
    assert [(one.id, one.priority, one.payload, one.auto_ack) for one in kept.jobs] == [
        ("a", 7, b"payload", True),
        ("b", 7, b"payload", False),
    ]
    assert kept.jobs[0].headers == {"h": ["1"]}
    assert YEARS_S - 60 < kept.jobs[1].delay_s <= YEARS_S
    assert [one.key for one in kept.letters] == ["dead"]
    assert kept.interrupted == ()
    await store.close(Kept())
    assert [path.name for path in folder.parent.iterdir()] == ["test.lock"]
    empty = Parked("test", folder, Events())
    assert await empty.open() == Kept()
    await empty.close(Kept())


async def test_a_start_that_fails_elsewhere_parks_again_what_it_took_up(folder):
    await left_behind(folder)
    store = Parked("test", folder, Events())
    await store.close(await store.open())
    again = Parked("test", folder, Events())
    assert [one.id for one in (await again.open()).jobs] == ["a", "b"]
    await again.close(Kept())


async def test_a_start_that_was_killed_while_it_removed_the_files_does_not_run_them_twice(folder, monkeypatch):
    await left_behind(folder)
    monkeypatch.setattr(parked_folder.shutil, "rmtree", lambda *_, **__: None)
    store = Parked("test", folder, Events())
    assert len((await store.open()).jobs) == 2
    monkeypatch.undo()
    next_one = Parked("test", folder, Events())
    assert await next_one.open() == Kept()
    assert not folder.with_name("test.taken").exists()
    await next_one.close(Kept())
    await store.close(Kept())


@pytest.mark.parametrize(("number", "text"), [(errno.ENOSPC, "the disk is full"), (errno.EIO, "Input/output error")])
async def test_a_disk_that_fails_at_the_stop_is_told_with_the_number_of_the_lost(folder, number, text):
    store = Parked("test", folder, Events(), disk=FailingDisk(1, number))
    await store.open()
    with pytest.raises(DriverError, match=text) as raised:
        await store.close(LEFT)
    assert "2 jobs and 1 dead letters of pipeline test are lost" in str(raised.value)


async def test_what_was_written_before_the_disk_was_full_is_not_lost(folder, monkeypatch):
    monkeypatch.setattr(parked, "_CHUNK", 1)
    store = Parked("test", folder, Events(), disk=FailingDisk(2, errno.ENOSPC))
    await store.open()
    with pytest.raises(DriverError) as raised:
        await store.close(LEFT)
    assert "1 jobs and 1 dead letters of pipeline test are lost" in str(raised.value)
    next_one = Parked("test", folder, Events())
    assert [one.id for one in (await next_one.open()).jobs] == ["a"]
    await next_one.close(Kept())


async def test_foreign_files_stop_the_start_and_stay(folder):
    folder.mkdir(parents=True)
    (folder / "letters.txt").write_text("mine")
    assert "holds other files and no journal" in await refusal(folder)


async def test_a_file_in_its_place_stops_the_start(folder):
    folder.parent.mkdir(parents=True)
    folder.write_text("mine")
    assert "not a folder" in await refusal(folder)
    assert folder.read_text() == "mine"


async def test_a_damaged_file_stops_the_start_with_the_command_that_salvages(folder):
    await left_behind(folder)
    (segment,) = folder.glob("*.segment")
    data = bytearray(segment.read_bytes())
    data[100] ^= 1
    segment.write_bytes(data)
    assert f"rrjobs journal repair {folder}" in await refusal(folder)


@pytest.mark.parametrize(("version", "age"), [(0, "an older"), (9, "a newer")])
async def test_files_of_another_version_stop_the_start_and_stay(folder, version, age):
    folder.mkdir(parents=True)
    data = bytearray(encode_header(new_header(1, 0, 1, 1)) + b"whatever follows")
    data[8:12] = version.to_bytes(4, "little")
    (folder / "0000000000000001.segment").write_bytes(data)
    assert f"written by {age} rrjobs" in await refusal(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
async def test_files_of_another_user_stop_the_start(folder):
    await left_behind(folder)
    os.chown(folder, 12345, 12345)
    assert "belongs to uid 12345" in await refusal(folder)


async def test_a_folder_that_cannot_be_written_to_is_told_at_the_start_and_loses_at_the_stop(tmp_path):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "parked" / "test"
    told: list[object] = []
    events = Events()
    events.subscribe("server.warning", lambda _, fields: told.append(fields["text"]))
    store = Parked("test", folder, events)
    assert await store.open() == Kept()
    assert "a stop will lose what waits in pipeline test" in str(told[0])
    with pytest.raises(DriverError, match="2 jobs and 1 dead letters of pipeline test are lost"):
        await store.close(LEFT)


async def test_a_server_that_takes_over_waits_for_what_the_other_one_parks(folder):
    first = Parked("test", folder, Events())
    await first.open()
    second = Parked("test", folder, Events(), 30)
    opening = asyncio.ensure_future(second.open())
    await asyncio.sleep(0.05)
    assert not opening.done()
    await first.close(LEFT)
    assert [one.id for one in (await opening).jobs] == ["a", "b"]
    await second.close(Kept())


async def test_a_server_that_waited_in_vain_goes_on_and_says_so(folder):
    told: list[object] = []
    events = Events()
    events.subscribe("server.warning", lambda _, fields: told.append(fields["text"]))
    first = Parked("test", folder, Events())
    await first.open()
    second = Parked("test", folder, events, 0.01)
    assert await second.open() == Kept()
    assert "in use by" in str(told[0])
    assert "is taken up at the next start" in str(told[0])
    await second.close(LEFT)
    await first.close(Kept([job("c")]))
    third = Parked("test", folder, Events())
    assert [one.id for one in (await third.open()).jobs] == ["a", "b", "c"]
    await third.close(Kept())
