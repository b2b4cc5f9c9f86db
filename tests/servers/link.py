"""One link of the proxy: two streams, each carried by a task, under the weather and the traps of its proxy."""

import asyncio
import contextlib
import enum
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

CHUNK_BYTES = 65536
FLUSH_S = 1.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Direction(enum.Enum):
    """Where bytes go."""

    UP = "client to server"
    DOWN = "server to client"


class Fault(enum.Enum):
    """What a sprung trap does."""

    CUT = "end the link"
    RESET = "end the link with RST"
    STALL = "stop all bytes of the proxy"
    SWALLOW = "lose all bytes of the proxy"
    REFUSE = "end all links and stop listening"


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a link is, each way; 0 is not at all."""

    latency_s: float = 0.0
    bytes_per_s: float = 0.0


class Trap:
    """`sprung` is set when the bytes have passed and the fault is done; `wait` waits for it from a thread.

    With `after` it is armed on a link once these bytes have passed there the other way: it answers them.
    """

    def __init__(
        self, direction: Direction, pattern: bytes, fault: Fault, forward: float, skip: int, after: bytes = b""
    ) -> None:
        assert pattern, "a trap needs bytes to wait for"
        self.direction = direction
        self.pattern = pattern
        self.fault = fault
        self.sprung = threading.Event()
        self._forward = round(forward * len(pattern))
        self._skip = skip
        self._after = after
        self._armed: set[Link] = set()
        self._tails: dict[tuple[Link, Direction], bytes] = {}

    @property
    def armed(self) -> bool:
        """Whether what `after` is has passed."""
        return bool(self._armed)

    def wait(self, timeout_s: float = 10.0) -> None:
        """AssertionError when nothing has passed by then."""
        assert self.sprung.wait(timeout_s), f"{self.pattern!r} did not pass within {timeout_s:g} s"

    async def reached(self, timeout_s: float = 10.0) -> None:
        """`wait` that does not block the caller's loop."""
        await asyncio.to_thread(self.wait, timeout_s)

    def border(self, link: "Link", chunk: bytes, way: Direction) -> int | None:
        """How much of the chunk may go on before the trap is sprung; None when it is not to be sprung yet."""
        if way is not self.direction:
            if self._after and self._after in self._seen(link, chunk, way, self._after):
                self._armed.add(link)
            return None
        if self._after and link not in self._armed:
            return None
        seen = self._seen(link, chunk, way, self.pattern)
        tail = seen[: len(seen) - len(chunk)]
        at = seen.find(self.pattern)
        while at >= 0 and self._skip:
            self._skip -= 1
            at = seen.find(self.pattern, at + 1)
        return None if at < 0 else max(0, at + self._forward - len(tail))

    def _seen(self, link: "Link", chunk: bytes, way: Direction, wanted: bytes) -> bytes:
        """With what came before it, too short for the whole: what is found ends in this chunk."""
        seen = self._tails.get((link, way), b"") + chunk
        self._tails[link, way] = seen[max(0, len(seen) - len(wanted) + 1) :]
        return seen


class Weather:
    """What all links of a proxy go through now."""

    def __init__(self) -> None:
        self.flowing = asyncio.Event()
        self.traps: list[Trap] = []
        self.clear()

    def clear(self) -> None:
        """Fair again."""
        self.flowing.set()
        self.swallowing = False
        self.pace = Pace()
        self.traps.clear()


@dataclass(eq=False)
class Link:
    """From a client to the server; `refuse` is the proxy's, for the trap that ends them all."""

    near: Streams
    far: Streams
    weather: Weather
    refuse: Callable[[], None]
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def carry(self) -> None:
        """Return when both directions have ended, or the link was ended; then both sockets are closed."""
        up = self._pump(self.near[0], self.far[1], Direction.UP)
        down = self._pump(self.far[0], self.near[1], Direction.DOWN)
        try:
            async with asyncio.TaskGroup() as both:
                self._tasks += [both.create_task(up), both.create_task(down)]
        finally:
            for writer in (self.near[1], self.far[1]):
                await _close(writer)

    def end(self, fault: Fault) -> None:
        """Close both sockets: after what was written, with FIN; or at once, with RST."""
        for writer in (self.near[1], self.far[1]):
            if fault is Fault.RESET:
                with contextlib.suppress(OSError):
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            else:
                writer.close()
        for task in self._tasks:
            task.cancel()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction) -> None:
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                await self._pass(chunk, writer, way)
            await self.weather.flowing.wait()
            if not self.weather.swallowing:
                writer.write_eof()
        except OSError:
            self.end(Fault.RESET)

    async def _pass(self, chunk: bytes, writer: asyncio.StreamWriter, way: Direction) -> None:
        pace = self.weather.pace
        if pace.latency_s:
            await asyncio.sleep(pace.latency_s)
        if pace.bytes_per_s:
            await asyncio.sleep(len(chunk) / pace.bytes_per_s)
        await self.weather.flowing.wait()
        if self.weather.traps:
            chunk = self._spring(chunk, writer, way)
            await self.weather.flowing.wait()
        if chunk and not self.weather.swallowing:
            writer.write(chunk)
            await writer.drain()

    def _spring(self, chunk: bytes, writer: asyncio.StreamWriter, way: Direction) -> bytes:
        """What of the chunk is still to go on: all of it, or what is behind the border of a trap that was sprung."""
        for trap in tuple(self.weather.traps):
            border = trap.border(self, chunk, way)
            if border is not None:
                self.weather.traps.remove(trap)
                writer.write(chunk[:border])
                goes_on = self._do(trap.fault)
                trap.sprung.set()
                return chunk[border:] if goes_on else b""
        return chunk

    def _do(self, fault: Fault) -> bool:
        """Whether the link still is."""
        if fault is Fault.STALL:
            self.weather.flowing.clear()
        elif fault is Fault.SWALLOW:
            self.weather.swallowing = True
        elif fault is Fault.REFUSE:
            self.refuse()
        else:
            self.end(fault)
        return fault in (Fault.STALL, Fault.SWALLOW)


async def _close(writer: asyncio.StreamWriter) -> None:
    """After what was written; at once when the peer does not take it."""
    writer.close()
    try:
        async with asyncio.timeout(FLUSH_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
