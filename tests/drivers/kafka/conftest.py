"""Pipelines on the run's Kafka, on a topic of the test's own, and plain clients beside them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "conformance"))

from harness_kafka import KafkaHarness
from house import House

from rrjobs.drivers.kafka.config import KafkaSection
from rrjobs.runtime.section import Section


class Kafkaesque(KafkaHarness):
    """Straight to the server; `changes` are laid over the pipeline's config, `login` is the section."""

    def __init__(self, server: Any, prefix: str) -> None:
        self.server = server
        self.prefix = prefix
        self.login: dict[str, Any] = {"brokers": [server.address]}
        self.changes: dict[str, Any] = {}

    def section(self) -> Section:
        return KafkaSection.model_validate(self.login)

    def config(self, pipeline: str, prefetch: int) -> dict[str, Any]:
        found = {**super().config(pipeline, prefetch)}
        for key, value in self.changes.items():
            found[key] = {**(found.get(key) or {}), **value} if isinstance(value, dict) else value
        return {key: value for key, value in found.items() if value is not None}


@pytest.fixture
def setup(kafka, unique_name) -> Kafkaesque:
    """What can be changed before a house is made."""
    return Kafkaesque(kafka, unique_name("topic"))


@pytest.fixture
def topic(setup) -> str:
    """Of the pipeline `p`."""
    return setup.topic("p")


@pytest.fixture
def house(setup, tmp_path) -> Callable[..., House]:
    """Makes houses; each `folder` is a server of its own."""

    def make(**options: Any) -> House:
        return House(setup, tmp_path / options.pop("folder", "state"), **options)

    return make
