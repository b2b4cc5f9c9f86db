"""The connections of one server: who is there, who stalls, and their common end."""

import asyncio
import time
from collections.abc import Callable

from rrjobs.rpc.connection import Connection

TELL_S = 10.0
"""The log hears of clients that are turned away once in so long: a flood of them must not become one of lines."""


class Connections:
    """Every connection from the moment it is made until it is lost; at most `limit`.

    `refused` is told of a peer that is turned away, and why.
    """

    def __init__(
        self, limit: int, refused: Callable[[str, str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._refused = refused
        self._clock = clock
        self._turned_away = 0
        self._told_at = -TELL_S
        self._here: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._here)

    def came(self, connection: Connection) -> bool:
        """A client connected; False when it is one too many."""
        if len(self._here) >= self._limit:
            self._turn_away(connection)
            return False
        self._here.add(connection)
        self._empty.clear()
        return True

    def left(self, connection: Connection) -> None:
        """It is gone."""
        self._here.discard(connection)
        if not self._here:
            self._empty.set()

    def _turn_away(self, connection: Connection) -> None:
        self._turned_away += 1
        now = self._clock()
        if now - self._told_at < TELL_S:
            return
        number, self._turned_away, self._told_at = self._turned_away, 0, now
        more = f", as {number - 1} before it" if number > 1 else ""
        self._refused(
            connection.peer, f"{self._limit} connections are open, as many as rpc.max_connections allows{more}"
        )

    def end_stalled(self, stall_s: float) -> None:
        """Close those that owe the rest of a frame and sent nothing since the last time this was called."""
        for connection in [one for one in self._here if one.stalled()]:
            connection.drop(f"half a frame, and nothing more for {stall_s:g} s")

    async def close(self, grace_s: float) -> None:
        """Close all once what is written is sent, or after `grace_s`."""
        for connection in list(self._here):
            connection.close()
        try:
            async with asyncio.timeout(grace_s):
                await self._empty.wait()
        except TimeoutError:
            for connection in list(self._here):
                connection.abort()
            await self._empty.wait()
