"""Publishes that JetStream confirms: many on their way at once, each answered on one inbox of ours."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import count
from typing import NamedTuple

import orjson
from nats.aio.client import Client as NatsClient
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, MaxPayloadError

from rrjobs.errors import ConnectionLost, PushRefused


class Message(NamedTuple):
    """What is published."""

    subject: str
    data: bytes
    headers: Mapping[str, str] | None = None


class Publisher:
    """Started by `start`, ended by `lost`."""

    def __init__(self, nc: NatsClient) -> None:
        self._nc = nc
        self._inbox = nc.new_inbox()
        self._numbers = count()
        self._waiting: dict[str, tuple[str, asyncio.Future[bytes]]] = {}
        self._subscription: Subscription | None = None
        self._reason = ""

    async def start(self) -> None:
        """Listen for confirmations."""
        self._subscription = await self._nc.subscribe(f"{self._inbox}.*", cb=self._confirmed, pending_msgs_limit=-1)

    async def publish(self, messages: Sequence[Message]) -> None:
        """All of them, in order. Raises PushRefused with how many were accepted, ConnectionLost."""
        if self._reason:
            raise ConnectionLost(self._reason, sent=False)
        futures: dict[str, asyncio.Future[bytes]] = {}
        loop = asyncio.get_running_loop()
        try:
            for message in messages:
                reply = f"{self._inbox}.{next(self._numbers)}"
                futures[reply] = loop.create_future()
                self._waiting[reply] = (message.subject, futures[reply])
                headers = dict(message.headers) if message.headers else None
                await self._nc.publish(message.subject, message.data, reply=reply, headers=headers)
            answers = [await future for future in futures.values()]
        except MaxPayloadError as err:
            size, most = max(len(one.data) for one in messages), self._nc.max_payload
            raise PushRefused(f"a message has {size} bytes, NATS takes {most} (its max_payload)") from err
        except ConnectionClosedError as err:
            raise ConnectionLost(self._reason or "the connection was lost") from err
        finally:
            for reply, future in futures.items():
                self._waiting.pop(reply, None)
                if not future.done():
                    future.cancel()
                elif not future.cancelled():
                    future.exception()
        refused = [reason for reason in map(_refusal, answers) if reason]
        if refused:
            raise PushRefused(refused[0], accepted=len(answers) - len(refused))

    def refused(self, text: str) -> None:
        """The server does not permit publishing somewhere: what waits for a confirmation there gets none."""
        for subject, future in list(self._waiting.values()):
            if f'"{subject}"' in text and not future.done():
                future.set_exception(PushRefused(f"NATS does not permit it: {text}"))

    def lost(self, reason: str) -> None:
        """Nothing more is confirmed."""
        self._reason = reason
        for _, future in list(self._waiting.values()):
            if not future.done():
                future.set_exception(ConnectionLost(reason))

    async def _confirmed(self, msg: Msg) -> None:
        waiting = self._waiting.get(msg.subject)
        if waiting is None or waiting[1].done():
            return
        if msg.headers and msg.headers.get("Status") == "503":
            waiting[1].set_result(b'{"error":{"description":"no stream has this subject"}}')
        else:
            waiting[1].set_result(msg.data)


def _refusal(answer: bytes) -> str:
    """Why JetStream did not take a message; empty when it did."""
    if answer.startswith(b'{"stream":') and b'"error"' not in answer:
        return ""
    try:
        error = orjson.loads(answer).get("error")
    except (ValueError, AttributeError):
        return "NATS answered what is no confirmation"
    return str(error.get("description", "refused")) if isinstance(error, dict) else ""
