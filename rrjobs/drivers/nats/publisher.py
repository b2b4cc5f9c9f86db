"""Publishes that JetStream confirms: many on their way at once, in one write, each answered on one inbox of ours."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson
from nats.errors import ConnectionClosedError

from rrjobs.drivers.nats.direct import DirectClient, Incoming, head_of, publication
from rrjobs.errors import ConnectionLost, PushRefused


class Message(NamedTuple):
    """What is published."""

    subject: str
    data: bytes
    headers: Mapping[str, Sequence[str]] | None = None


class _Batch:
    """Messages whose answers are waited for together."""

    __slots__ = ("answers", "future", "messages")

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.answers: list[bytes] = []
        self.future: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()

    def answered(self, answer: bytes) -> None:
        self.answers.append(answer)
        if len(self.answers) == len(self.messages) and not self.future.done():
            self.future.set_result(self.answers)

    def failed(self, err: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(err)


class Publisher:
    """Started by `start`, ended by `lost`."""

    def __init__(self, nc: DirectClient) -> None:
        self._nc = nc
        self._inbox = f"{nc.new_inbox()}."
        self._next = 0
        self._waiting: dict[int, _Batch] = {}
        self._reason = ""

    async def start(self) -> None:
        """Listen for confirmations."""
        await self._nc.listen(f"{self._inbox}*", self._confirmed)

    async def publish(self, messages: Sequence[Message]) -> None:
        """All of them, in order. Raises PushRefused with how many were accepted, ConnectionLost."""
        answers = await self.ask(messages)
        refused = [reason for reason in map(_refusal, answers) if reason]
        if refused:
            raise PushRefused(refused[0], accepted=len(answers) - len(refused))

    async def ask(self, messages: Sequence[Message]) -> list[bytes]:
        """What was answered to all of them, in the order of arrival. Raises PushRefused, ConnectionLost."""
        if self._reason:
            raise ConnectionLost(self._reason, sent=False)
        if not messages:
            return []
        first = self._next
        commands = self._commands(messages, first)
        self._next = end = first + len(messages)
        batch = _Batch(messages)
        self._waiting.update(dict.fromkeys(range(first, end), batch))
        try:
            await self._nc.write(commands)
            return await batch.future
        except ConnectionClosedError as err:
            raise ConnectionLost(self._reason or "the connection was lost") from err
        finally:
            if len(batch.answers) < len(messages):
                for number in range(first, end):
                    self._waiting.pop(number, None)
            batch.future.cancel()

    def refused(self, text: str) -> None:
        """The server does not permit publishing somewhere: what waits for a confirmation there gets none."""
        for batch in set(self._waiting.values()):
            if any(f'"{message.subject}"' in text for message in batch.messages):
                batch.failed(PushRefused(f"NATS does not permit it: {text}"))

    def lost(self, reason: str) -> None:
        """Nothing more is confirmed."""
        self._reason = reason
        for batch in set(self._waiting.values()):
            batch.failed(ConnectionLost(reason))

    def _commands(self, messages: Sequence[Message], first: int) -> bytes:
        inbox, most = self._inbox.encode(), self._nc.max_payload
        commands = []
        for number, (subject, data, headers) in enumerate(messages, first):
            head = head_of(headers) if headers else b""
            if len(head) + len(data) > most:
                size = len(head) + len(data)
                raise PushRefused(f"a message has {size} bytes, NATS takes {most} (its max_payload)")
            commands.append(publication(subject, b"%b%d" % (inbox, number), data, head))
        return b"".join(commands)

    def _confirmed(self, incoming: Incoming) -> None:
        batch = self._waiting.pop(int(incoming.subject[len(self._inbox) :]), None)
        if batch is None:
            return
        if incoming.head and incoming.header("Status") == "503":
            batch.answered(b'{"error":{"description":"no stream has this subject"}}')
        else:
            batch.answered(incoming.data)


def _refusal(answer: bytes) -> str:
    """Why JetStream did not take a message; empty when it did."""
    if answer.startswith(b'{"stream":') and b'"error"' not in answer:
        return ""
    try:
        error = orjson.loads(answer).get("error")
    except (ValueError, AttributeError):
        return "NATS answered what is no confirmation"
    return str(error.get("description", "refused")) if isinstance(error, dict) else ""
