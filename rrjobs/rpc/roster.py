"""The connections of one server: who is there, who stalls, and their common end."""

import asyncio

from rrjobs.rpc.connection import Connection


class Connections:
    """Every connection from the moment it is made until it is lost."""

    def __init__(self) -> None:
        self._here: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._here)

    def came(self, connection: Connection) -> None:
        """A client connected."""
        self._here.add(connection)
        self._empty.clear()

    def left(self, connection: Connection) -> None:
        """It is gone."""
        self._here.discard(connection)
        if not self._here:
            self._empty.set()

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
