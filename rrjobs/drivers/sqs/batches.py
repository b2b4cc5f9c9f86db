"""Requests for up to ten entries each: what several callers want at one time goes out together.

An entry goes at once when a request may be made; while as many run as may, entries gather. SQS answers for each entry
of a request: those that it could not do just now go again, later.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from rrjobs.drivers.broker.backoff import Backoff
from rrjobs.drivers.sqs.api import Api, Refused
from rrjobs.drivers.sqs.config import MOST_AT_ONCE
from rrjobs.drivers.sqs.trouble import Kind, Trouble, judged
from rrjobs.errors import ConnectionLost

MOST_BYTES = 262_144
"""Of one request: newer servers take four times as much, older ones do not."""

Start = Callable[[Coroutine[Any, Any, None]], object]
"""Runs a task of the connection's."""


class Call:
    """What one caller waits for: a trouble for each of its entries, None for those that are done."""

    __slots__ = ("asked", "done", "left", "lost", "troubles")

    def __init__(self, entries: int) -> None:
        self.troubles: list[Trouble | None] = [None] * entries
        self.left = entries
        self.asked = 0  # requests that the service may have had, with entries of this call
        self.lost = ""  # why some of them have no answer
        self.done: asyncio.Future[list[Trouble | None]] = asyncio.get_running_loop().create_future()

    def settled(self, place: int, trouble: Trouble | None) -> None:
        """One entry has its answer."""
        self.troubles[place] = trouble
        self._less()

    def failed(self, reason: str) -> None:
        """One entry has none, and so the call has none, once all have theirs or not."""
        self.lost = self.lost or reason
        self._less()

    def _less(self) -> None:
        self.left -= 1
        if self.left or self.done.done():
            return
        if self.lost:
            self.done.set_exception(ConnectionLost(self.lost, sent=self.asked > 0))
        else:
            self.done.set_result(self.troubles)


class Entry:
    """One of a call's, `size` in bytes. `deadline`: the loop's time until which it may be tried again."""

    __slots__ = ("call", "deadline", "params", "place", "size")

    def __init__(self, call: Call, place: int, params: dict[str, Any], size: int, deadline: float) -> None:
        self.call = call
        self.place = place
        self.params = params
        self.size = size
        self.deadline = deadline


class Batches:
    """Of one operation on one queue. With `slots` 1 the order of entries is kept."""

    def __init__(self, api: Api, operation: str, url: str, start: Start, *, slots: int, patience_s: float) -> None:
        self._api = api
        self._operation = operation
        self._url = url
        self._start = start
        self._slots = slots
        self._patience_s = patience_s
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._waiting: deque[Entry] = deque()

    async def do(self, entries: Sequence[dict[str, Any]], sizes: Sequence[int] = ()) -> list[Trouble | None]:
        """A trouble for each entry, None for those that are done. Raises ConnectionLost."""
        if not entries:
            return []
        if self._api.over:
            raise ConnectionLost(self._api.over, sent=False)
        call = Call(len(entries))
        deadline = asyncio.get_running_loop().time() + self._patience_s
        for place, params in enumerate(entries):
            self._waiting.append(Entry(call, place, params, sizes[place] if sizes else 0, deadline))
        while self._running < min(self._slots, (len(self._waiting) + MOST_AT_ONCE - 1) // MOST_AT_ONCE):
            self._running += 1
            self._idle.clear()
            self._start(self._run())
        return await call.done

    async def idle(self) -> None:
        """Wait until no request is under way."""
        await self._idle.wait()

    async def _run(self) -> None:
        backoff = Backoff(0.05, 2.0)
        taken: list[Entry] = []
        try:
            while taken := self._take():
                again = await self._ask(taken)
                if not again:
                    backoff.reset()
                    continue
                await asyncio.sleep(backoff.next_s())
                self._waiting.extendleft(reversed(again))
        except ConnectionLost as err:
            self._lost(taken, str(err))
        except asyncio.CancelledError:
            self._lost(taken, "the connection was closed")
            raise
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    def _lost(self, taken: Sequence[Entry], reason: str) -> None:
        waiting = [*taken, *self._waiting]
        self._waiting.clear()
        for entry in waiting:
            entry.call.failed(reason)

    def _take(self) -> list[Entry]:
        """The next request: those whose caller has gone are left out."""
        taken: list[Entry] = []
        size = 0
        while self._waiting and len(taken) < MOST_AT_ONCE:
            entry = self._waiting[0]
            if taken and size + entry.size > MOST_BYTES:
                break
            self._waiting.popleft()
            if not entry.call.done.cancelled():
                taken.append(entry)
                size += entry.size
        return taken

    async def _ask(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those that have to go again."""
        wanted = [{"Id": str(number), **entry.params} for number, entry in enumerate(entries)]
        for entry in entries:
            entry.call.asked += 1
        try:
            answer = await self._api.call(
                self._operation, patience_s=self._patience_s, QueueUrl=self._url, Entries=wanted
            )
        except ConnectionLost as err:
            for entry in entries:
                entry.call.asked -= not err.sent
            raise
        except Refused as err:
            return await self._ask_each(entries, err)
        again, failed = [], {int(one["Id"]): one for one in answer.get("Failed") or ()}
        now = asyncio.get_running_loop().time()
        for number, entry in enumerate(entries):
            trouble = _trouble(failed[number]) if number in failed else None
            if trouble and trouble.kind in (Kind.PASSING, Kind.THROTTLED) and now < entry.deadline:
                again.append(entry)
            else:
                entry.call.settled(entry.place, trouble)
        return again

    async def _ask_each(self, entries: Sequence[Entry], err: Refused) -> list[Entry]:
        """One of them spoils the request for all: which one is found out."""
        if len(entries) == 1 or err.trouble.kind is not Kind.REFUSED:
            for entry in entries:
                entry.call.settled(entry.place, err.trouble)
            return []
        return [again for entry in entries for again in await self._ask((entry,))]


def _trouble(failed: dict[str, Any]) -> Trouble:
    sender = bool(failed.get("SenderFault"))
    return judged(str(failed.get("Code") or ""), str(failed.get("Message") or failed.get("Code")), sender=sender)
