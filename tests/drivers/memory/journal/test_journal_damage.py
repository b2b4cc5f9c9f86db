"""Damage on a real disk: the start refuses it, verify finds it, repair salvages around it, dump prints what is left."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rrjobs.cli.journal import journal as command
from rrjobs.drivers.memory.journal.codec import HEAD_BYTES
from rrjobs.drivers.memory.journal.config import JournalConfig
from rrjobs.drivers.memory.journal.disk import OsDisk
from rrjobs.drivers.memory.journal.journal import open_journal
from rrjobs.drivers.memory.journal.repair import repair
from rrjobs.drivers.memory.journal.survey import survey
from rrjobs.errors import JournalDamaged, JournalVersion
from rrjobs.runtime.events import Events

SMALL = JournalConfig(segment_bytes=500)


@pytest.fixture
async def folder(tmp_path):
    """A journal of three segments, closed properly: entries 1 to 12 but 2, entry 3 replaced."""
    path = tmp_path / "journal"
    journal, _ = await open_journal(path, SMALL, Events())
    for number in range(1, 13):
        await journal.add(1, [b"payload of %d" % number + b"." * 30])
    group = journal.group()
    group.remove(2)
    group.replace(3, 2, b"again")
    await journal.submit(group)
    await journal.close()
    assert len(segments(path)) == 3
    return path


def segments(path: Path) -> list[Path]:
    return sorted(path.glob("*.segment"))


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


def run(*arguments: object):
    return CliRunner().invoke(command, [str(one) for one in arguments])


async def reopened(path: Path) -> dict[int, tuple[int, bytes]]:
    journal, found = await open_journal(path, SMALL, Events())
    await journal.close()
    return {number: (kind, payload) for number, kind, payload in found}


async def test_a_whole_journal_verifies_and_dumps_in_order(folder):
    assert run("verify", folder).exit_code == 0
    assert json.loads(run("verify", folder, "--json").stdout)["entries"] == 11
    lines = [json.loads(line) for line in run("dump", folder).stdout.splitlines()]
    assert [line["number"] for line in lines] == [1, *range(3, 13)]
    assert lines[1] == {"number": 3, "kind": 2, "bytes": 5, "text": "again"}
    assert "nothing is damaged" in run("repair", folder).stdout
    assert sorted(await reopened(folder)) == [1, *range(3, 13)]


async def test_verify_finds_a_flipped_bit_at_every_place(folder):
    disk = OsDisk()
    for path in segments(folder):
        whole = path.read_bytes()
        for offset in range(len(whole)):
            flip(path, offset)
            try:
                findings = survey(disk, folder).findings
                assert findings, f"{path.name} at {offset}"
                assert not any(one.torn for one in findings) or path == segments(folder)[-1]
            except JournalVersion:
                assert offset in range(8, 12)
            path.write_bytes(whole)


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_the_start_refuses_damage_before_the_end_with_file_offset_and_the_command(folder, which):
    path = segments(folder)[which]
    flip(path, 70)
    with pytest.raises(JournalDamaged) as raised:
        await open_journal(folder, SMALL, Events())
    assert (raised.value.path, raised.value.offset) == (str(path), 64)
    assert raised.value.command == f"rrjobs journal repair {folder}"
    for fact in (str(path), "byte 64", raised.value.command):
        assert fact in str(raised.value)


async def test_damage_in_the_last_entries_of_a_journal_that_was_closed_is_no_torn_end(folder):
    last = segments(folder)[-1]
    flip(last, last.stat().st_size - HEAD_BYTES - 1)
    with pytest.raises(JournalDamaged):
        await open_journal(folder, SMALL, Events())


async def test_the_start_refuses_a_segment_that_is_too_short_or_missing(folder):
    path = segments(folder)[1]
    data = path.read_bytes()
    path.write_bytes(data[:-5])
    with pytest.raises(JournalDamaged, match="5 bytes too early"):
        await open_journal(folder, SMALL, Events())
    path.unlink()
    with pytest.raises(JournalDamaged, match="the file is missing"):
        await open_journal(folder, SMALL, Events())
    result = run("verify", folder)
    assert result.exit_code == 1
    assert "the file is missing" in result.stdout


async def test_repair_salvages_around_the_damage_keeps_the_original_and_says_what_is_lost(folder):
    originals = {path.name: path.read_bytes() for path in segments(folder)}
    path = segments(folder)[0]
    flip(path, 70)
    originals[path.name] = path.read_bytes()
    result = run("verify", folder)
    assert result.exit_code == 1
    assert f"{path}: byte 64, " in result.stdout
    assert f"`rrjobs journal repair {folder}`" in result.stdout

    result = run("repair", folder)
    assert result.exit_code == 0
    assert "salvaged: 10 entries" in result.stdout
    aside = next(folder.glob("damaged-*"))
    assert str(aside) in result.stdout
    assert {one.name: one.read_bytes() for one in aside.iterdir()} == originals

    assert run("verify", folder).exit_code == 0
    assert sorted(await reopened(folder)) == list(range(3, 13))


async def test_a_lost_removal_brings_its_entry_back_rather_than_losing_others(folder):
    last = segments(folder)[-1]
    closing, removal = last.stat().st_size - 32, 32 + 13 + 5 + 8
    flip(last, closing - removal + 40)
    assert run("repair", folder).exit_code == 0
    found = await reopened(folder)
    assert sorted(found) == list(range(1, 13))
    assert found[3][1].startswith(b"payload of 3")


@pytest.mark.parametrize("offset", [0, 20, 30, 60])
async def test_records_behind_a_damaged_header_are_salvaged(folder, offset):
    before = await reopened(folder)
    flip(segments(folder)[1], offset)
    assert run("repair", folder).exit_code == 0
    assert await reopened(folder) == before


async def test_a_repaired_journal_goes_on_with_numbers_above_all_it_had(folder):
    flip(segments(folder)[0], 70)
    run("repair", folder)
    journal, _ = await open_journal(folder, SMALL, Events())
    assert await journal.add(1, [b"new"]) == list(range(13, 14))
    await journal.close()
    assert sorted(await reopened(folder)) == list(range(3, 14))


class Killed(Exception):
    """The process ended here."""


class DyingDisk(OsDisk):
    """Kills the repair at its n-th rename."""

    def __init__(self, at: int) -> None:
        self.at = at

    def rename(self, old: Path, new: Path) -> None:
        self.at -= 1
        if self.at < 0:
            raise Killed
        super().rename(old, new)


@pytest.mark.parametrize("at", range(4))
async def test_a_repair_that_is_killed_loses_nothing_and_can_be_done_again(folder, at):
    flip(segments(folder)[0], 70)
    with pytest.raises(Killed):
        repair(DyingDisk(at), folder, survey(OsDisk(), folder))
    if at == 0:
        with pytest.raises(JournalDamaged):
            await reopened(folder)
        assert run("repair", folder).exit_code == 0
    assert sorted(await reopened(folder)) == list(range(3, 13))


async def test_a_torn_end_is_cut_with_an_event_and_nothing_else_is_lost(folder, events, told):
    before = await reopened(folder)
    last = segments(folder)[-1]
    size = last.stat().st_size
    with last.open("ab") as file:
        file.write(b"\xa7rJ\x1e torn")
    result = run("verify", folder)
    assert result.exit_code == 1
    assert "the next start cuts it off" in result.stdout
    assert "salvages" not in result.stdout
    journal, found = await open_journal(folder, SMALL, events)
    assert {number: (kind, payload) for number, kind, payload in found} == before
    assert told == [("journal.cut", {"path": str(last), "offset": size, "size_bytes": 9})]
    assert last.stat().st_size == size
    await journal.close()
    assert run("verify", folder).exit_code == 0


async def test_a_segment_whose_making_was_cut_short_is_forgotten(folder, events, told):
    before = await reopened(folder)
    torn = folder / "0000000000000004.segment"
    torn.write_bytes(b"RRJOU")
    journal, found = await open_journal(folder, SMALL, events)
    assert len(found) == len(before)
    assert [name for name, _ in told] == ["journal.cut"]
    assert not torn.exists()
    await journal.close()


async def test_verify_and_dump_leave_the_files_as_they_are(folder):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    run("verify", folder)
    run("dump", folder)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


async def test_dump_prints_bytes_that_are_no_text_as_base64_and_tells_damage_apart(folder):
    journal, _ = await open_journal(folder, SMALL, Events())
    await journal.add(3, [b"\xff\x00"])
    await journal.close()
    line = json.loads(run("dump", folder).stdout.splitlines()[-1])
    assert line == {"number": 13, "kind": 3, "bytes": 2, "base64": "/wA="}
    flip(segments(folder)[0], 70)
    result = run("dump", folder)
    assert result.exit_code == 1
    assert "byte 64" in result.stderr
    assert len(result.stdout.splitlines()) == 11


async def test_the_commands_refuse_a_journal_in_use_and_a_folder_that_is_none(folder, tmp_path):
    journal, _ = await open_journal(folder, SMALL, Events())
    for name in ("verify", "dump", "repair"):
        result = run(name, folder)
        assert result.exit_code == 1
        assert "in use" in str(result.exception)
        assert str(tmp_path / "none") in str(run(name, tmp_path / "none").exception)
    await journal.close()
