"""Requests of an administrator to a Kafka that may have started just now."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

DEADLINE_S = 20.0


@asynccontextmanager
async def administrator(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Knows the controller, to which its requests go."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            while admin._client.cluster.controller is None:
                await asyncio.sleep(0.05)
                await admin._client.force_metadata_update()
        yield admin
    finally:
        await admin.close()


def aside(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run it to its end in a loop of its own: the caller may have one."""

    async def run() -> Any:
        return await work()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result()
