"""Which store a pipeline in memory has, by its configuration."""

from pathlib import Path

from rrjobs.drivers.memory.config import JournalSection, MemoryConfig
from rrjobs.drivers.memory.store import Kept, Store, Volatile
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.runtime.events import Events
from rrjobs.runtime.file_names import file_name


def store_for(pipeline: str, config: MemoryConfig, surroundings: Surroundings) -> Store:
    """The journal room is imported only by those who need it. What another configuration left is not forgotten."""
    journal, state_dir, events = config.journal, surroundings.state_dir, surroundings.events
    if state_dir is None:
        return Volatile()
    default = journal_folder(pipeline, None, state_dir)
    parked = state_dir / "parked" / file_name(pipeline)
    if journal == "off":
        return Off(pipeline, default, events)
    if isinstance(journal, JournalSection):
        return _journalled(pipeline, journal_folder(pipeline, journal, state_dir), journal, parked, surroundings)
    from rrjobs.drivers.memory.parked import Parked

    return Parked(pipeline, parked, events, surroundings.predecessor_s, unread=default)


def journal_folder(pipeline: str, journal: JournalSection | None, state_dir: Path) -> Path:
    """Where its journal is, or would be without a section."""
    named = journal is not None and journal.path
    return Path(named) if named else state_dir / "journal" / file_name(pipeline)


def _journalled(
    pipeline: str, folder: Path, journal: JournalSection, parked: Path, surroundings: Surroundings
) -> Store:
    from rrjobs.drivers.memory.inherited import Inherited
    from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
    from rrjobs.drivers.memory.parked_folder import ParkedFolder

    events, predecessor_s = surroundings.events, surroundings.predecessor_s
    pace = JournalConfig(Sync(journal.sync), journal.interval_ms / 1000, lock_wait_s=predecessor_s)
    return Inherited(pipeline, folder, pace, events, ParkedFolder(pipeline, parked, events, predecessor_s))


class Off(Volatile):
    """See Store: `journal: off`. `unread` is where a journal would be."""

    def __init__(self, pipeline: str, unread: Path, events: Events) -> None:
        self._pipeline = pipeline
        self._unread = unread
        self._events = events

    async def open(self) -> Kept:
        """See Store."""
        if self._unread.exists():
            from rrjobs.drivers.memory.unread import tell_of_unread

            await tell_of_unread(self._pipeline, self._unread, self._events)
        return Kept()
