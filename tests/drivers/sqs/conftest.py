"""A pipeline on a server of the SQS API, with a queue of its own, and a plain client beside it."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.session import get_session
from servers.sqs import CREDENTIALS, REGION, SqsServer

sys.path.insert(0, str(Path(__file__).parents[2] / "conformance"))
sys.path.insert(0, str(Path(__file__).parent))

from sqs_gate import Gate
from sqs_pipeline import SqsPipeline


@pytest.fixture(params=["ministack", "elasticmq"])
def both(request: pytest.FixtureRequest) -> SqsServer:
    """One server after the other."""
    server: SqsServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
async def gate(ministack: SqsServer) -> AsyncIterator[Gate]:
    """A door to ministack that can be told to answer itself."""
    async with Gate(ministack.endpoint) as made:
        yield made


@pytest.fixture
def pipeline(tmp_path: Path, unique_name: Callable[..., str]) -> Callable[..., SqsPipeline]:
    """`pipeline(server, queue="...", ...)`: `options` of the pipeline, `section` of the driver, all else its config."""
    name = unique_name("q")

    def make(server: Any, *, fifo: bool = False, **config: Any) -> SqsPipeline:
        config = {"queue": f"{name}.fifo" if fifo else name, **config}
        return SqsPipeline(server.endpoint, config, tmp_path / "state")

    return make


@pytest.fixture
def plain() -> Callable[[Any], Any]:
    """`async with plain(server) as client`: the library itself."""
    session = get_session()
    return lambda server: session.create_client(
        "sqs", endpoint_url=server.endpoint, region_name=REGION, verify=False, **CREDENTIALS
    )
