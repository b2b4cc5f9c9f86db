"""A real process writes a journal on a real disk, is killed with SIGKILL, and another one takes it up."""

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
from rrjobs.drivers.memory.journal.journal import open_journal
from rrjobs.runtime.events import Events

WRITER = """
import asyncio, os, sys
from pathlib import Path
from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
from rrjobs.drivers.memory.journal.journal import open_journal
from rrjobs.runtime.events import Events

async def push(journal, begin):
    for ident in range(begin, begin + 10**6):
        group = journal.group()
        first = group.add(1, b"%d a" % ident)
        second = group.add(1, b"%d b" % ident)
        await journal.submit(group)
        os.write(1, b"+%d\\n" % ident)
        if ident % 3:
            end = journal.group()
            end.remove(first, second)
            end.add(2, b"%d end" % ident)
            journal.keep(end)

async def main():
    config = JournalConfig(Sync(sys.argv[2]), segment_bytes=5000)
    journal, _ = await open_journal(Path(sys.argv[1]), config, Events())
    begin = int(sys.argv[3])
    await asyncio.gather(*(push(journal, begin + one * 10**6) for one in range(10)))

asyncio.run(main())
"""


def complaints(payloads: set[bytes], pushed: set[int]) -> list[str]:
    """A pushed group is there as its two jobs or as its end, never as a mixture and never not at all."""
    found: dict[int, set[bytes]] = {}
    for payload in payloads:
        ident, part = payload.split()
        found.setdefault(int(ident), set()).add(part)
    wrong = [f"{ident}: {parts}" for ident, parts in found.items() if parts not in ({b"a", b"b"}, {b"end"})]
    return wrong + [f"{ident}: lost" for ident in pushed - set(found)]


async def killed_after(path: Path, sync: Sync, begin: int, lines: int) -> set[int]:
    """What the writer said it pushed before it was killed."""
    command = (sys.executable, "-c", WRITER, str(path), sync, str(begin))
    writer = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    assert writer.stdout is not None
    said = [await writer.stdout.readline() for _ in range(lines)]
    os.kill(writer.pid, signal.SIGKILL)
    rest, _ = await writer.communicate()
    whole = b"".join(said) + rest
    return {int(line[1:]) for line in whole.splitlines(keepends=True) if line.endswith(b"\n")}


@pytest.mark.parametrize("sync", list(Sync))
async def test_everything_that_was_acknowledged_outlives_sigkill_and_groups_stay_whole(tmp_path, sync):
    dice = random.Random(7)
    pushed: set[int] = set()
    for turn in range(4):
        pushed |= await killed_after(tmp_path, sync, turn * 10**8, dice.randint(1, 800))
        journal, found = await open_journal(tmp_path, JournalConfig(), Events())
        await journal.close()
        assert complaints({payload for _, _, payload in found}, pushed) == []
    assert len(pushed) > 100
