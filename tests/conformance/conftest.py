"""Runs every test of the suite on every driver. A driver joins by its class in HARNESSES."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import Harness
from harness_amqp import AmqpHarness
from harness_beanstalk import BeanstalkHarness
from harness_kafka import KafkaHarness
from harness_memory import MemoryHarness
from harness_nats import NatsHarness
from harness_sqs import SqsHarness
from house import House

HARNESSES: list[type[Harness]] = [
    MemoryHarness,
    AmqpHarness,
    BeanstalkHarness,
    NatsHarness,
    SqsHarness,
    KafkaHarness,
]


@pytest.fixture(params=HARNESSES, ids=lambda kind: kind.driver)
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    """The driver under test. A harness whose class has `fixtures` gets these by name."""
    kind: Any = request.param
    made: Harness = kind(**{name: request.getfixturevalue(name) for name in getattr(kind, "fixtures", ())})
    await made.up()
    yield made
    await made.down()


@pytest.fixture
def house(harness: Harness, tmp_path: Path) -> Callable[..., House]:
    """Makes houses that share one broker and one state folder."""

    def make(**options: Any) -> House:
        return House(harness, tmp_path / options.pop("folder", "state"), **options)

    return make
