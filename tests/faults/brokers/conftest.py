"""Runs every fault on every broker. A driver joins by its stage in STAGES."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from ledger import Ledger
from stage import Stage
from stage_amqp import AmqpStage
from stage_beanstalk import BeanstalkStage
from stage_kafka import KafkaStage
from stage_nats import NatsStage
from stage_sqs import SqsStage

STAGES: list[type[Stage]] = [
    AmqpStage,
    BeanstalkStage,
    NatsStage,
    KafkaStage,
    SqsStage,
]


@pytest.fixture(params=STAGES, ids=lambda kind: kind.driver)
def stage(request: pytest.FixtureRequest) -> Stage:
    """A broker that may be harmed, with a link that may be cut."""
    kind: Any = request.param
    made: Stage = kind(**{name: request.getfixturevalue(name) for name in kind.fixtures})
    return made


@pytest.fixture
def ledger(stage: Stage, tmp_path: Path) -> Iterator[Callable[..., Ledger]]:
    """Makes ledgers on the stage's pipeline: each is a server, and all write the same book."""
    made: list[Ledger] = []

    def make(**pipeline: Any) -> Ledger:
        folder = tmp_path / f"server-{len(made)}"
        folder.mkdir()
        made.append(Ledger(folder, {**stage.pipeline(), **pipeline}, sections=stage.sections()))
        made[-1].path = tmp_path / "ledger.txt"
        made[-1].environment["LEDGER"] = str(tmp_path / "ledger.txt")
        return made[-1]

    yield make
    stage.proxy.restore()
    for one in made:
        one.close()
