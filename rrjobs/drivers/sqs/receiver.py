"""Asks for messages, as many as there is room for.

One request stands and waits for messages; as long as requests come back full there are more beside it, without a wait.
Asked and held together never pass the limit. `stop` lets what is under way end: what it brings goes back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from rrjobs.drivers.sqs.api import CALL_S, Api
from rrjobs.drivers.sqs.batches import Start
from rrjobs.drivers.sqs.config import MOST_AT_ONCE, SqsConfig
from rrjobs.drivers.sqs.queues import Queue
from rrjobs.errors import ConnectionLost

MOST_REQUESTS = 6
DEFAULT_WAIT_S = 5
PATIENCE_S = 1e9
"""A queue that throttles is asked again, however long: later and later, up to every 2 s."""

Message = dict[str, Any]


class Receiver:
    """`held` tells how many messages are ours; `arrived` gets each, `late` those that came after `stop`."""

    def __init__(
        self,
        api: Api,
        queue: Queue,
        config: SqsConfig,
        visibility_s: int,
        held: Callable[[], int],
        arrived: Callable[[Message], None],
        late: Callable[[Sequence[Message]], Awaitable[None]],
        start: Start,
    ) -> None:
        self._api = api
        self._limit = config.in_flight
        self._at_once = min(MOST_AT_ONCE, config.prefetch)
        self._wait_s = config.wait_time_seconds or queue.wait_s or DEFAULT_WAIT_S
        self._held = held
        self._arrived = arrived
        self._late = late
        self._start = start
        self._asked = 0
        self._requests = 0
        self._busy = False
        self._stopped = False
        self._ended = asyncio.Event()
        self._params: dict[str, Any] = {
            "QueueUrl": queue.url,
            "VisibilityTimeout": visibility_s,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }

    def ask(self) -> None:
        """As far as there is room. Call it whenever there may be some."""
        while not self._stopped and self._requests < MOST_REQUESTS:
            room = self._limit - self._held() - self._asked
            number = min(self._at_once, room)
            if number <= 0 or (self._requests and not self._is_worth_it(number)):
                return
            wait_s = 0 if self._requests else self._wait_s
            self._asked += number
            self._requests += 1
            self._start(self._request(number, wait_s))

    def stop(self) -> None:
        """Ask no more; nothing arrives from now on."""
        self._stopped = True

    async def ended(self, patience_s: float) -> None:
        """After `stop`: wait until what was under way has ended and what it brought is back, so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while self._requests:
                    self._ended.clear()
                    await self._ended.wait()

    def _is_worth_it(self, number: int) -> bool:
        """Beside a request that stands: only when messages wait, and not for one or two of many."""
        return self._busy and number >= min(self._at_once, max(1, self._limit // 4))

    async def _request(self, number: int, wait_s: int) -> None:
        messages: Sequence[Message] = ()
        try:
            messages = await self._receive(number, wait_s)
            if self._stopped and messages:
                await self._late(messages)
        except ConnectionLost:
            return  # the connection knows
        finally:
            self._asked -= number
            self._requests -= 1
            self._ended.set()
        if not self._stopped:
            self._busy = len(messages) == number
            for message in messages:
                self._arrived(message)
            self.ask()

    async def _receive(self, number: int, wait_s: int) -> Sequence[Message]:
        answer = await self._api.call(
            "receive_message",
            patience_s=PATIENCE_S,
            limit_s=wait_s + CALL_S,
            MaxNumberOfMessages=number,
            WaitTimeSeconds=wait_s,
            **self._params,
        )
        messages: Sequence[Message] = answer.get("Messages") or ()
        return messages
