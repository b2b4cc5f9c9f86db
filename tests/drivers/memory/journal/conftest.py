"""Journals in memory and on disk, closed at the end, with the events they told."""

from collections.abc import Mapping

import pytest

from rrjobs.drivers.memory.journal import committer
from rrjobs.runtime.events import Events


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def told(events: Events) -> list[tuple[str, Mapping[str, object]]]:
    """Every event of a journal, as (name, fields)."""
    found: list[tuple[str, Mapping[str, object]]] = []
    for name in ("journal.cut", "journal.failing", "journal.recovered"):
        events.subscribe(name, lambda name, fields: found.append((name, fields)))
    return found


@pytest.fixture(autouse=True)
def retried_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk in memory needs no half second to come round."""
    monkeypatch.setattr(committer, "RETRY_S", 0.005)


@pytest.fixture(autouse=True)
def indexed_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done for great groups only is done for those of two entries too."""
    monkeypatch.setattr(committer, "MANY", 2)
