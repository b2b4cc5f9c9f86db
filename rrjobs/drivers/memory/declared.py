"""A pipeline in memory that is declared at run time: its configuration from texts."""

from collections.abc import Mapping
from typing import Any

from rrjobs.drivers.declared import given, json_object, positive, validated
from rrjobs.drivers.memory.config import JournalSection, MemoryConfig

_OFF = ("off", "false")


def declared_config(spec: Mapping[str, str]) -> MemoryConfig:
    """`journal` is JSON, or `off`; a limit must be a number: ignored it would be none. Raises DriverError."""
    settings: dict[str, Any] = {key: spec[key] for key in ("max_jobs", "max_bytes") if given(spec, key)}
    settings["prefetch"] = positive(spec, "prefetch", MemoryConfig().prefetch)
    if given(spec, "journal"):
        text = spec["journal"].strip()
        settings["journal"] = "off" if text.lower() in _OFF else _journal(text)
    return validated(MemoryConfig, settings)


def _journal(text: str) -> JournalSection:
    return validated(JournalSection, json_object("journal", text), "journal")
