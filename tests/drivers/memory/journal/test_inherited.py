"""A pipeline that gets a journal, or has one no more: what the configuration before left is not forgotten."""

import asyncio
import os
from pathlib import Path

import pytest

from rrjobs.drivers.memory import inherited
from rrjobs.drivers.memory.config import JournalSection, MemoryConfig
from rrjobs.drivers.memory.journal.disk import OsDisk
from rrjobs.drivers.memory.parked_folder import ParkedFolder
from rrjobs.drivers.memory.store import Kept, Store
from rrjobs.drivers.memory.stores import store_for
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import DriverError
from rrjobs.pipeline.dead_letter import DeadLetter
from rrjobs.pipeline.job import Job
from rrjobs.runtime.events import Events

ALWAYS = MemoryConfig(journal=JournalSection())
WITHOUT = MemoryConfig()
OFF = MemoryConfig(journal="off")


def job(ident: str, **more: object) -> Job:
    return Job(ident, "ping", b"payload", "test", 7, **more)  # type: ignore[arg-type]


def letter(key: str) -> DeadLetter:
    return DeadLetter(key, key, "test", "ping", b"x", {}, 3, 3, "crashes", died_at=1.0)


LEFT = Kept([job("a", headers={"h": ["1"]}), job("b", delay_s=3600.0), job("c")], [letter("dead"), letter("gone")])


class House:
    """Stores of one pipeline, one after the other; `told` are the warnings."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.parked = state_dir / "parked" / "test"
        self.journal = state_dir / "journal" / "test"
        self.told: list[str] = []
        self.events = Events()
        self.events.subscribe("server.warning", lambda _, fields: self.told.append(str(fields["text"])))

    def store(self, config: MemoryConfig, predecessor_s: float = 0.0, disk: OsDisk | None = None) -> Store:
        around = Surroundings(self.events, state_dir=self.state_dir, predecessor_s=predecessor_s)
        store = store_for("test", config, around)
        if disk is not None:
            store._disk = disk  # type: ignore[attr-defined]
        return store

    async def held(self, config: MemoryConfig) -> tuple[list[str], list[str]]:
        """What the next start has, ids of jobs and keys of letters; it stops again with all of it."""
        store = self.store(config)
        kept = await store.open()
        await store.begin()
        await store.close(kept)
        return [one.id for one in kept.jobs], [one.key for one in kept.letters]

    async def park(self, left: Kept = LEFT) -> None:
        store = self.store(WITHOUT)
        await store.open()
        await store.close(left)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


class DyingDisk(OsDisk):
    """After so many writes and syncs nothing comes through any more, as if the process had been killed."""

    def __init__(self, good: int) -> None:
        self.good = good

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        self._count()
        return super().write(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        self._count()
        super().fdatasync(fd)

    def _count(self) -> None:
        self.good -= 1
        if self.good < 0:
            raise OSError(5, os.strerror(5))


ALL = (["a", "b", "c"], ["dead", "gone"])


async def test_a_journal_takes_up_what_a_stop_without_one_has_parked(house):
    await house.park()
    store = house.store(ALWAYS)
    kept = await store.open()
    assert kept.jobs[0].headers == {"h": ["1"]}
    assert 3590 < kept.jobs[1].delay_s <= 3600
    await store.begin()
    store.done(kept.jobs[0])
    store.forget([kept.letters[0]])
    await store.close(Kept())
    assert not house.parked.exists()
    assert await house.held(ALWAYS) == (["b", "c"], ["gone"])


async def test_it_comes_behind_what_the_journal_has_already(house):
    store = house.store(ALWAYS)
    await store.open()
    await store.begin()
    await store.accept([job("old")], lambda: None)
    await store.close(Kept())
    await house.park()
    assert await house.held(ALWAYS) == (["old", "a", "b", "c"], ["dead", "gone"])
    assert await house.held(ALWAYS) == (["old", "a", "b", "c"], ["dead", "gone"])


async def test_a_crash_at_any_write_of_the_move_loses_and_doubles_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(inherited, "_CHUNK", 2)
    good, failed, disk = 0, 0, DyingDisk(0)
    while disk.good < 0 or not failed:
        house, disk = House(tmp_path / str(good)), DyingDisk(good)
        await house.park()
        store = house.store(ALWAYS, disk=disk)
        try:
            kept = await store.open()
        except DriverError:
            failed += 1
        else:
            assert [one.id for one in kept.jobs] == ALL[0]
            await store.close(Kept())
        assert await house.held(ALWAYS) == ALL, good
        assert not house.parked.exists()
        assert await house.held(ALWAYS) == ALL, good
        good += 1
    assert failed > 5


async def test_a_crash_before_the_folder_is_gone_does_not_run_its_jobs_twice(house, monkeypatch):
    await house.park()

    async def crash(_: ParkedFolder) -> None:
        raise DriverError("killed")

    monkeypatch.setattr(ParkedFolder, "remove", crash)
    with pytest.raises(DriverError, match="killed"):
        await house.store(ALWAYS).open()
    monkeypatch.undo()
    assert house.parked.exists()
    assert await house.held(ALWAYS) == ALL
    assert not house.parked.exists()
    await house.park(Kept([job("later")]))
    assert await house.held(ALWAYS) == (["a", "b", "c", "later"], ["dead", "gone"])


async def test_a_server_with_a_journal_waits_for_one_without_that_is_about_to_end(house):
    first = house.store(WITHOUT)
    await first.open()
    second = house.store(ALWAYS, predecessor_s=30)
    opening = asyncio.ensure_future(second.open())
    await asyncio.sleep(0.05)
    assert not opening.done()
    await first.close(LEFT)
    assert [one.id for one in (await opening).jobs] == ALL[0]
    await second.close(Kept())


async def test_a_server_without_a_journal_that_goes_on_is_told_of(house):
    first = house.store(WITHOUT)
    await first.open()
    second = house.store(ALWAYS)
    assert await second.open() == Kept([], [])
    await second.close(Kept())
    assert "is taken up at the next start" in house.told[0]
    await first.close(LEFT)
    assert await house.held(ALWAYS) == ALL


@pytest.mark.parametrize("config", [WITHOUT, OFF])
async def test_a_journal_that_is_no_more_configured_is_told_of_with_the_command_that_shows_it(house, config):
    await house.park()
    await house.held(ALWAYS)
    assert await house.held(config) == ([], [])
    (text,) = house.told
    assert f"{house.journal} holds 3 jobs and 2 dead letters that nobody takes up" in text
    assert f"rrjobs journal dump {house.journal}" in text
    assert await house.held(ALWAYS) == ALL


@pytest.mark.parametrize("config", [WITHOUT, OFF])
async def test_an_empty_journal_is_nothing_to_tell_of(house, config):
    await house.held(ALWAYS)
    await house.held(config)
    assert house.told == []


async def test_a_damaged_journal_is_told_of_too(house):
    await house.park()
    await house.held(ALWAYS)
    for segment in house.journal.glob("*.segment"):
        segment.write_bytes(b"\0" * 200)
    await house.held(WITHOUT)
    (text,) = house.told
    assert "rrjobs journal" in text and str(house.journal) in text


async def test_one_that_another_server_uses_is_told_of(house):
    first = house.store(ALWAYS)
    await first.open()
    await house.held(WITHOUT)
    assert "in use by" in house.told[0]
    await first.close(Kept())
