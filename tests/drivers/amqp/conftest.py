"""A pipeline on the run's RabbitMQ, with names of its own, and a plain client beside it."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiormq
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "conformance"))
sys.path.insert(0, str(Path(__file__).parent))

from amqp_pipeline import AmqpPipeline


@pytest.fixture
async def plain(rabbitmq) -> AsyncIterator[Any]:
    """A channel of the plain client, in confirm mode."""
    async with aiormq.connect(rabbitmq.uri()) as connection:
        yield await connection.channel()


@pytest.fixture
async def names(plain, unique_name) -> AsyncIterator[Callable[[str], str]]:
    """Names that no other test has; queues and exchanges of these names are gone afterwards."""
    prefix = unique_name("amqp")
    made: set[str] = set()

    def name(what: str) -> str:
        made.add(f"{prefix}-{what}")
        return f"{prefix}-{what}"

    yield name
    async with aiormq.connect(plain.connection.url) as connection:
        channel = await connection.channel()
        for one in made:
            await channel.queue_delete(one)
            await channel.queue_delete(f"{one}.dead")
            await channel.exchange_delete(one)


@pytest.fixture
def pipeline(rabbitmq, names, tmp_path) -> Callable[..., AmqpPipeline]:
    """`pipeline(durable=True, ...)`: on queue `q` and exchange `e` of the test, if nothing else is said."""

    def make(*, addr: str = "", name: str = "p", options: dict[str, Any] | None = None, **config: Any) -> AmqpPipeline:
        defaults = {"queue": names("q"), "routing_key": names("q"), "exchange": names("e")}
        section = {"addr": addr or rabbitmq.uri()} | config.pop("section", {})
        if config.get("version") == 2:
            defaults = {}
        return AmqpPipeline(name, section, defaults | config, options or {}, tmp_path / name)

    return make
