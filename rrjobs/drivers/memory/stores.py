"""Which store a pipeline in memory has, by its configuration."""

from pathlib import Path

from rrjobs.drivers.memory.config import JournalSection, MemoryConfig
from rrjobs.drivers.memory.store import Store, Volatile
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.runtime.file_names import file_name


def store_for(pipeline: str, config: MemoryConfig, surroundings: Surroundings) -> Store:
    """The journal room is imported only by those who need it."""
    journal, state_dir, events = config.journal, surroundings.state_dir, surroundings.events
    if state_dir is None or journal == "off":
        return Volatile()
    if isinstance(journal, JournalSection):
        from rrjobs.drivers.memory.journal.config import JournalConfig, Sync
        from rrjobs.drivers.memory.journalled import Journalled

        pace = JournalConfig(Sync(journal.sync), journal.interval_ms / 1000, lock_wait_s=surroundings.predecessor_s)
        folder = Path(journal.path) if journal.path else state_dir / "journal" / file_name(pipeline)
        return Journalled(pipeline, folder, pace, events)
    from rrjobs.drivers.memory.parked import Parked

    return Parked(pipeline, state_dir / "parked" / file_name(pipeline), events, surroundings.predecessor_s)
