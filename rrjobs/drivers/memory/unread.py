"""Tells at the start of a journal that a configuration without one leaves unread."""

import asyncio
from pathlib import Path

from rrjobs.drivers.memory.entries import JOB, LETTER
from rrjobs.drivers.memory.journal.disk import OsDisk
from rrjobs.drivers.memory.journal.lock import claim_for_reading
from rrjobs.drivers.memory.journal.survey import survey
from rrjobs.errors import JournalError
from rrjobs.runtime.events import Events


async def tell_of_unread(pipeline: str, folder: Path, events: Events) -> None:
    """One warning, when there is anything in it; changes nothing."""
    text = await asyncio.to_thread(_what_is_in, folder)
    if text:
        events.emit("server.warning", text=f"pipeline {pipeline} has no journal now, but {folder} {text}")


def _what_is_in(folder: Path) -> str:
    if not folder.is_dir():
        return ""
    try:
        release = claim_for_reading(folder)
        try:
            found = survey(OsDisk(), folder)
        finally:
            release()
    except (OSError, JournalError) as err:
        return f"is one and cannot be looked at ({err}); `rrjobs journal verify {folder}` says more"
    kinds = [kind for kind, _ in found.entries.values()]
    jobs, letters = kinds.count(JOB), kinds.count(LETTER)
    if not jobs and not letters and not found.findings:
        return ""
    return (
        f"holds {jobs} jobs and {letters} dead letters that nobody takes up: `rrjobs journal dump {folder}` shows "
        "them, `journal: {}` in the pipeline's config takes them up, removing the folder forgets them"
    )
