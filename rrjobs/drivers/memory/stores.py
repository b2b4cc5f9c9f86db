"""Which store a pipeline in memory has, by its configuration."""

from pathlib import Path

from rrjobs.drivers.memory.config import JournalSection, MemoryConfig
from rrjobs.drivers.memory.store import Store, Volatile
from rrjobs.runtime.events import Events
from rrjobs.runtime.file_names import file_name


def store_for(pipeline: str, config: MemoryConfig, events: Events, state_dir: Path) -> Store:
    """The journal room is imported only by those who need it."""
    journal = config.journal
    if isinstance(journal, JournalSection):
        from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
        from rrjobs.drivers.memory.journalled import Journalled

        pace = JournalConfig(Sync(journal.sync), journal.interval_ms / 1000)
        folder = Path(journal.path) if journal.path else state_dir / "journal" / file_name(pipeline)
        return Journalled(pipeline, folder, pace, events)
    if journal == "off":
        return Volatile()
    from rrjobs.drivers.memory.parked import Parked

    return Parked(pipeline, state_dir / "parked" / file_name(pipeline), events)
