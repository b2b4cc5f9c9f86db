"""Puts a pipeline on Kafka together."""

from collections.abc import Mapping
from typing import Any

from rrjobs.drivers.broker.driver import BrokerDriver
from rrjobs.drivers.declared import flag, given, integer, json_object, validated
from rrjobs.drivers.kafka.broker import KafkaBroker
from rrjobs.drivers.kafka.config import (
    ConsumerConfig,
    GroupConfig,
    KafkaConfig,
    KafkaSection,
    ProducerConfig,
    SaslConfig,
)
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import DriverError
from rrjobs.runtime.section import Section

_SECTIONS: Mapping[str, type[Section]] = {
    "producer_options": ProducerConfig,
    "consumer_options": ConsumerConfig,
    "group_options": GroupConfig,
    "sasl_options": SaslConfig,
}

_NAMES_OF_PHP = {"auto_create_topics": "auto_create_topics_enable", "sasl": "sasl_options"}
"""What the PHP package calls them, where RoadRunner does not find them."""


class KafkaDriver(BrokerDriver):
    """A BrokerDriver whose clients outlive its connections."""

    def __init__(self, pipeline: str, broker: KafkaBroker, surroundings: Surroundings) -> None:
        super().__init__(pipeline, broker, surroundings)
        self._kafka = broker

    @classmethod
    def made(cls, pipeline: str, config: KafkaConfig, surroundings: Surroundings) -> "KafkaDriver":
        """See DriverTable."""
        section = surroundings.section
        if not isinstance(section, KafkaSection):
            raise DriverError("there is no section `kafka` that says where the brokers are")
        broker = KafkaBroker(pipeline, config, section, surroundings.priority, surroundings.events)
        return cls(pipeline, broker, surroundings)

    @staticmethod
    def declared(spec: Mapping[str, str]) -> KafkaConfig:
        """From the texts of a declaration. Raises DriverError."""
        spec = {_NAMES_OF_PHP.get(key, key): value for key, value in spec.items()}
        settings: dict[str, Any] = {
            "auto_create_topics_enable": flag(spec, "auto_create_topics_enable"),
            **{key: json_object(key, spec[key]) for key in _SECTIONS if given(spec, key)},
        }
        if (prefetch := integer(spec, "prefetch", 0)) > 0:
            settings["prefetch"] = prefetch
        if not (settings.get("group_options") or {"group_id": ""}).get("group_id"):
            settings.pop("group_options", None)  # PHP writes an empty one
        return validated(KafkaConfig, _known(settings))

    async def close(self) -> None:
        """See BrokerDriver."""
        try:
            await super().close()
        finally:
            await self._kafka.shut()


def _known(settings: dict[str, Any]) -> dict[str, Any]:
    """Without the keys that RoadRunner has and that do nothing."""
    for key, section in _SECTIONS.items():
        if isinstance(settings.get(key), dict):
            settings[key] = {name: value for name, value in settings[key].items() if name not in section.tolerated}
    return settings
