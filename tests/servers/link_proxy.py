"""A TCP proxy that cuts, resets, stalls, swallows, refuses and slows links: by command, or when given bytes pass.

It runs in a thread with an event loop of its own, so that sync and async tests use it alike, and a busy test does not
slow it. Every method is safe from any thread and returns when it is done. What blocks has an `async` twin.

        restore                     stall, swallow (bytes wait, bytes are lost)
  open <------- any of these <----- refuse        (nobody listens; links that are there go on)
                                    slow          (latency, rate)
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

from servers.link import Direction, Fault, Link, Pace, Trap, Weather

DEADLINE_S = 10.0
T = TypeVar("T")


class LinkProxy:
    """In front of 127.0.0.1:`target`. Faults hold for links that are there and for those to come, until `restore`."""

    def __init__(self, target: int, port: int = 0) -> None:
        self.target = target
        self.port = port
        self._weather = Weather()
        self._links: set[Link] = set()
        self._made = 0
        self._listener: socket.socket | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link-proxy", daemon=True)

    def __enter__(self) -> Self:
        """Listen; `port` is the one it was given, else a free one, and stays the same to the end."""
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)
        self._loop.close()

    @property
    def address(self) -> str:
        """host:port that clients connect to."""
        return f"127.0.0.1:{self.port}"

    @property
    def links(self) -> int:
        """How many are open now."""
        return len(self._links)

    @property
    def made(self) -> int:
        """How many were ever made: grows when a client connects again."""
        return self._made

    def cut(self) -> int:
        """End every link (FIN to both ends); how many there were. New ones are welcome."""
        return self._call(self._end_links(Fault.CUT))

    def reset(self) -> int:
        """End every link with RST, as a machine that has lost its memory."""
        return self._call(self._end_links(Fault.RESET))

    def stall(self) -> None:
        """Bytes wait in both directions; connecting works. `restore` lets them go on: nothing is lost."""
        self._call(self._set(flowing=False))

    def swallow(self) -> None:
        """A black hole: bytes are read and lost in both directions. Cut the links before `restore`."""
        self._call(self._set(swallowing=True))

    def refuse(self) -> None:
        """Stop listening: new connections are refused. With `cut`, the server is down."""
        self._call(self._set(listening=False))

    def slow(self, latency_s: float = 0.0, bytes_per_s: float = 0.0) -> None:
        """Delay every chunk by `latency_s` each way; carry at most `bytes_per_s` each way (0: all)."""
        self._call(self._set(pace=Pace(latency_s, bytes_per_s)))

    def restore(self) -> None:
        """No fault any more, and no trap."""
        self._call(self._restore())

    def trap(
        self,
        direction: Direction,
        pattern: bytes,
        fault: Fault = Fault.CUT,
        *,
        forward: float = 1.0,
        skip: int = 0,
        after: bytes = b"",
    ) -> Trap:
        """When `pattern` passes (after `skip` times), pass on this share of it (0: none, 1: all), then do `fault`.

        CUT and RESET end that one link; STALL, SWALLOW and REFUSE (which also cuts all) hold until `restore`.
        Sprung once. Bytes of the pattern that came in an earlier read have gone on already. What must have arrived
        before the end needs CUT: RST may take bytes along that its receiver has not read yet. With `after` it springs
        only on a link where these bytes have passed the other way since.
        """
        trap = Trap(direction, pattern, fault, forward, skip, after)
        self._call(self._set_trap(trap))
        return trap

    def wait_for_links(self, count: int = 1, timeout_s: float = DEADLINE_S) -> None:
        """Return when at least `count` links are open (0: when none is); AssertionError at the deadline."""
        self._call(self._reached(lambda: self.links >= count if count else not self.links, timeout_s))

    def wait_for_made(self, count: int, timeout_s: float = DEADLINE_S) -> None:
        """Return when `count` links were made in all; AssertionError at the deadline."""
        self._call(self._reached(lambda: self.made >= count, timeout_s))

    async def links_reach(self, count: int = 1, timeout_s: float = DEADLINE_S) -> None:
        """`wait_for_links` that does not block the caller's loop."""
        await asyncio.to_thread(self.wait_for_links, count, timeout_s)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> None:
        """With a reader of our own: asyncio's server leaks a connection that is accepted as it closes."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._loop.add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client = listener.accept()[0]
            client.setblocking(False)
            task = self._loop.create_task(self._serve(client))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    def _listen_no_more(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    async def _serve(self, client: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=client, limit=1 << 20)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        link = Link((reader, writer), (far_reader, far_writer), self._weather, self._refuse_and_cut)
        self._links.add(link)
        self._made += 1
        self._notify()
        try:
            await link.carry()
        finally:
            self._links.discard(link)
            self._notify()

    def _refuse_and_cut(self) -> None:
        self._listen_no_more()
        for link in tuple(self._links):
            link.end(Fault.CUT)

    async def _end_links(self, fault: Fault) -> int:
        ended = tuple(self._links)
        for link in ended:
            link.end(fault)
        await self._reached(lambda: not self._links.intersection(ended), DEADLINE_S)
        return len(ended)

    async def _set(
        self, *, flowing: bool = True, swallowing: bool = False, listening: bool = True, pace: Pace | None = None
    ) -> None:
        weather = self._weather
        weather.swallowing = weather.swallowing or swallowing
        weather.pace = pace or weather.pace
        if not flowing:
            weather.flowing.clear()
        if not listening:
            self._listen_no_more()

    async def _set_trap(self, trap: Trap) -> None:
        self._weather.traps.append(trap)

    async def _restore(self) -> None:
        self._weather.clear()
        if self._listener is None:
            await self._listen()

    async def _reached(self, condition: Callable[[], bool], timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        assert condition(), f"within {timeout_s:g} s; links open: {self.links}, made: {self.made}"

    def _notify(self) -> None:
        self._changed.set()

    async def _close(self) -> None:
        """Cut again and again: a connection that was on its way becomes a link after the first cut."""
        self._weather.clear()
        async with asyncio.timeout(DEADLINE_S):
            while self._serving:
                self._refuse_and_cut()
                await asyncio.wait(self._serving, timeout=0.01)
        self._listen_no_more()
