"""Places where no journal can be kept: one clear error each, and nothing is touched."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE

import pytest

from rrjobs.drivers.memory.journal.config import JournalConfig
from rrjobs.drivers.memory.journal.disk import OsDisk
from rrjobs.drivers.memory.journal.journal import open_journal
from rrjobs.drivers.memory.journal.layout import encode_header, new_header
from rrjobs.errors import JournalError, JournalFull, JournalInUse, JournalVersion
from rrjobs.runtime.events import Events

CONFIG = JournalConfig()
HOLD = """
import asyncio, sys
from pathlib import Path
from rrjobs.drivers.memory.journal.config import JournalConfig
from rrjobs.drivers.memory.journal.journal import open_journal
from rrjobs.runtime.events import Events
async def main():
    journal, _ = await open_journal(Path(sys.argv[1]), JournalConfig(), Events())
    print("open", flush=True)
    sys.stdin.read()
asyncio.run(main())
"""


async def refusal(path, disk=None):
    with pytest.raises(JournalError) as raised:
        await open_journal(path, CONFIG, Events(), disk)
    assert str(path) in str(raised.value)
    return raised.value


async def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    assert "not a folder" in str(await refusal(path))
    assert path.read_text() == "mine"


async def test_a_folder_with_other_files_is_not_made_a_journal(tmp_path):
    (tmp_path / "letters.txt").write_text("mine")
    assert "holds other files and no journal" in str(await refusal(tmp_path))
    assert [one.name for one in tmp_path.iterdir()] == ["letters.txt"]


async def test_a_segment_that_is_a_foreign_file_is_refused_and_kept(tmp_path):
    path = tmp_path / "0000000000000001.segment"
    path.write_bytes(b"some other program's data" * 10)
    error = await refusal(tmp_path)
    assert "does not begin like a journal's segment" in str(error)
    assert path.read_bytes() == b"some other program's data" * 10


@pytest.mark.parametrize(("version", "age"), [(0, "older"), (9, "newer")])
async def test_another_version_is_refused_and_kept(tmp_path, version, age):
    data = bytearray(encode_header(new_header(1, 0, 1, 1)) + b"whatever follows")
    data[8:12] = version.to_bytes(4, "little")
    path = tmp_path / "0000000000000001.segment"
    path.write_bytes(data)
    error = await refusal(tmp_path)
    assert isinstance(error, JournalVersion)
    assert f"{age} rrjobs in format {version}; this one reads format 1" in str(error)
    assert path.read_bytes() == data


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
async def test_a_journal_of_another_user_is_refused(tmp_path):
    path = tmp_path / "journal"
    path.mkdir()
    os.chown(path, 12345, 12345)
    assert f"belongs to uid 12345, and this process runs as root (uid {os.geteuid()})" in str(await refusal(path))
    assert list(path.iterdir()) == []


async def test_a_second_process_is_refused_with_the_pid_of_the_first_until_that_is_killed(tmp_path):
    path = tmp_path / "journal"
    command = (sys.executable, "-c", HOLD, str(path))
    holder = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"open\n"
    error = await refusal(path)
    assert isinstance(error, JournalInUse)
    assert f"in use by process {holder.pid}" in str(error)
    holder.kill()
    await holder.communicate()
    journal, _ = await open_journal(path, CONFIG, Events())
    await journal.close()


async def test_a_second_pipeline_of_the_same_process_is_refused(tmp_path):
    journal, _ = await open_journal(tmp_path, CONFIG, Events())
    assert "another pipeline of this process" in str(await refusal(tmp_path))
    await journal.add(1, [b"x"])
    await journal.close()
    await journal.close()


class RefusingDisk(OsDisk):
    def __init__(self, error: OSError) -> None:
        self.error = error

    def create(self, path):
        raise self.error


@pytest.mark.parametrize(("number", "text"), [(30, "Read-only file system"), (13, "Permission denied")])
async def test_a_disk_that_may_not_be_written_to_is_found_at_the_start(tmp_path, number, text):
    error = await refusal(tmp_path, RefusingDisk(OSError(number, os.strerror(number))))
    assert text in str(error)
    journal, _ = await open_journal(tmp_path, CONFIG, Events())
    await journal.close()


async def test_a_full_disk_is_found_at_the_start(tmp_path):
    error = await refusal(tmp_path, RefusingDisk(OSError(28, os.strerror(28))))
    assert isinstance(error, JournalFull)
    assert "the disk is full" in str(error)


async def test_a_journal_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    await refusal(tmp_path / "file" / "journal")


async def test_a_process_that_takes_over_waits_for_the_other_to_let_go(tmp_path):
    journal, _ = await open_journal(tmp_path, CONFIG, Events())
    await journal.add(1, [b"x"])
    opening = asyncio.ensure_future(open_journal(tmp_path, JournalConfig(lock_wait_s=30), Events()))
    await asyncio.sleep(0.05)
    assert not opening.done()
    await journal.close()
    second, found = await opening
    assert [payload for _, _, payload in found] == [b"x"]
    with pytest.raises(JournalInUse):
        await open_journal(tmp_path, JournalConfig(lock_wait_s=0.03), Events())
    await second.close()


@pytest.mark.parametrize("content", [b"mine", b"\x00\x00RR", b"RRJOURNAL of mine"])
async def test_a_short_foreign_file_under_the_name_of_a_segment_is_kept(tmp_path, content):
    path = tmp_path / "0000000000000001.segment"
    path.write_bytes(content)
    await refusal(tmp_path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"RRJ", b"RRJOURNL\x01\x00", bytes(40)])
async def test_a_segment_that_a_crash_cut_off_in_its_header_is_begun_anew(tmp_path, content):
    (tmp_path / "0000000000000001.segment").write_bytes(content)
    journal, found = await open_journal(tmp_path, CONFIG, Events())
    assert len(found) == 0
    await journal.close()
