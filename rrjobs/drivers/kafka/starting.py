"""Starts and ends one of aiokafka's clients."""

import asyncio
import contextlib
from typing import Any

import aiokafka.errors as errors

STOP_S = 4.0
"""What a client may take to end; a broker that does not answer is left."""


async def started(client: Any) -> None:
    try:
        await client.start()
    except BaseException:
        await stopped(client)
        raise


async def stopped(client: Any) -> None:
    """End a client, politely as long as the broker answers."""
    with contextlib.suppress(TimeoutError, errors.KafkaError, OSError):
        async with asyncio.timeout(STOP_S):
            await client.stop()
            return
    sender = getattr(client, "_sender", None)
    inner = getattr(client, "client", None) or client._client
    with contextlib.suppress(TimeoutError, errors.KafkaError, OSError):
        async with asyncio.timeout(STOP_S):
            if sender is not None:
                await sender.close()
            await inner.close()
