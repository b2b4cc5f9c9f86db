"""The drivers of pipelines by name; each is imported when the first pipeline needs it."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from rrjobs.errors import DriverError
from rrjobs.pipeline.driver import Queue
from rrjobs.runtime.events import Events
from rrjobs.runtime.section import Section

DRIVERS = {"memory": "rrjobs.drivers.memory.driver:MemoryDriver"}
"""Each class is made by `(pipeline, config, events, state_dir)`; its `declared(spec)` makes the config from texts."""

NOT_YET = ("amqp", "kafka", "sqs", "nats", "beanstalk", "boltdb", "google_pub_sub", "temporal")
"""Names that configurations of RoadRunner have, and this version has not."""


class DriverTable:
    """Makes drivers; see `rrjobs.pipeline.registry.Drivers`. What they keep on disk is in `state_dir`, if any."""

    def __init__(self, state_dir: Path | None = None) -> None:
        self._state_dir = state_dir

    def configured(self, driver: str, pipeline: str, config: Section, events: Events) -> Queue:
        """A paused driver from its own section."""
        made: Queue = _load(driver, pipeline)(pipeline, config, events, self._state_dir)
        return made

    def declared(self, driver: str, pipeline: str, spec: Mapping[str, str], events: Events) -> Queue:
        """A paused driver from the texts of a declaration."""
        kind = _load(driver, pipeline)
        made: Queue = kind(pipeline, kind.declared(spec), events, self._state_dir)
        return made


def _load(driver: str, pipeline: str) -> Any:
    if driver not in DRIVERS:
        hint = " (not available yet)" if driver in NOT_YET else ""
        raise DriverError(f"no constructor registered for driver: {driver}, pipeline: {pipeline}{hint}")
    module, _, name = DRIVERS[driver].partition(":")
    return getattr(import_module(module), name)
