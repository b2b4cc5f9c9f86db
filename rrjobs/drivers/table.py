"""The drivers of pipelines by name; each is imported when the first pipeline needs it."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from types import MappingProxyType
from typing import Any

from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import DriverError
from rrjobs.pipeline.driver import Queue
from rrjobs.runtime.section import Section

DRIVERS = {
    "memory": "rrjobs.drivers.memory.driver:MemoryDriver",
    "amqp": "rrjobs.drivers.amqp.driver:AmqpDriver",
    "nats": "rrjobs.drivers.nats.driver:NatsDriver",
    "kafka": "rrjobs.drivers.kafka.driver:KafkaDriver",
    "sqs": "rrjobs.drivers.sqs.driver:SqsDriver",
    "beanstalk": "rrjobs.drivers.beanstalk.driver:BeanstalkDriver",
}
"""Of each class `made(pipeline, config, surroundings)` makes a driver, `declared(spec)` its config from texts."""

NO_SECTIONS: Mapping[str, Section | None] = MappingProxyType({})

LOCAL = frozenset({"memory"})
"""Those whose pipelines have one owner, which other servers wait for."""

NOT_YET = ("boltdb", "google_pub_sub", "temporal")
"""Names that configurations of RoadRunner have, and this version has not."""


class DriverTable:
    """Makes drivers; see `rrjobs.pipeline.registry.Drivers`. `sections` are the drivers' own, by name."""

    def __init__(self, surroundings: Surroundings, sections: Mapping[str, Section | None] = NO_SECTIONS) -> None:
        """`surroundings` is what all drivers have in common."""
        self._surroundings = surroundings
        self._sections = sections

    def configured(self, driver: str, pipeline: str, config: Section, priority: int) -> Queue:
        """A paused driver from its own section."""
        return self._made(driver, pipeline, _load(driver, pipeline), config, priority)

    def declared(self, driver: str, pipeline: str, spec: Mapping[str, str], priority: int) -> Queue:
        """A paused driver from the texts of a declaration."""
        kind = _load(driver, pipeline)
        return self._made(driver, pipeline, kind, kind.declared(spec), priority)

    def is_local(self, driver: str) -> bool:
        """Whether it keeps its jobs in files of this machine."""
        return driver in LOCAL

    def _made(self, driver: str, pipeline: str, kind: Any, config: Section, priority: int) -> Queue:
        surroundings = replace(self._surroundings, section=self._sections.get(driver), priority=priority)
        made: Queue = kind.made(pipeline, config, surroundings)
        return made


def _load(driver: str, pipeline: str) -> Any:
    if driver not in DRIVERS:
        hint = " (not available yet)" if driver in NOT_YET else ""
        raise DriverError(f"no constructor registered for driver: {driver}, pipeline: {pipeline}{hint}")
    module, _, name = DRIVERS[driver].partition(":")
    return getattr(import_module(module), name)
