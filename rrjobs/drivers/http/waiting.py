"""Requests that wait for a worker: one queue in order of arrival and one timer for all."""

import asyncio
from collections import deque
from typing import Protocol


class Waiter(Protocol):
    """A request in the queue."""

    waits: bool
    """Whether no worker has it yet, and somebody still wants the answer."""

    def waited_too_long(self) -> None:
        """No worker was free in time."""
        ...


class WaitingRoom:
    """Ends the wait of each after the same time; those that got a worker are dropped when they come to the head."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._queue: deque[tuple[float, Waiter]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, waiter: Waiter) -> None:
        """From now on its time runs."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        queue = self._queue
        while queue and not queue[0][1].waits:
            queue.popleft()
        queue.append((loop.time() + self._limit_s, waiter))
        if self._timer is None:
            self._timer = loop.call_later(self._limit_s, self._expire)

    def oldest_s(self) -> float:
        """For how long the oldest has waited; 0 when nobody does."""
        queue = self._queue
        while queue and not queue[0][1].waits:
            queue.popleft()
        if not queue or self._loop is None:
            return 0.0
        return max(0.0, self._loop.time() + self._limit_s - queue[0][0])

    def close(self) -> None:
        """Forget everybody."""
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        assert self._loop is not None
        self._timer = None
        now = self._loop.time()
        queue = self._queue
        while queue:
            deadline, waiter = queue[0]
            if waiter.waits:
                if deadline > now:
                    self._timer = self._loop.call_at(deadline, self._expire)
                    return
                queue.popleft()
                waiter.waited_too_long()
            else:
                queue.popleft()
