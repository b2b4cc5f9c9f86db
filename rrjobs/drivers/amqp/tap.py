"""One TCP connection to RabbitMQ that aiormq and our own lanes share.

aiormq connects, logs in, beats the heart and closes, on channel 0. What passes once per message is on channels of our
own, the lanes: their frames are taken out here as they come in, and written between aiormq's, frame by frame whole.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Protocol

from aiormq.connection import TransportFactory
from pamqp import frame as pamqp_frame
from pamqp.commands import Connection as ConnectionMethods
from yarl import URL

from rrjobs.drivers.amqp.frames import (
    CONNECTION_BLOCKED,
    CONNECTION_CLOSE,
    CONNECTION_UNBLOCKED,
    FRAME,
    HEARTBEAT,
    METHOD,
    OVERHEAD_BYTES,
    frame,
)

_BEAT = frame(HEARTBEAT, 0, b"")
_KINDS = frozenset({1, 2, 3, 8})
_BEAT_EVERY_S = 1.0


class LaneEnd(Protocol):
    """Takes the frames of one channel."""

    def received(self, kind: int, payload: bytes) -> None: ...


class Tap(asyncio.StreamReaderProtocol):
    """Splits what comes in. `on_word` is told of blocked, unblocked and close; `on_lost` once, with the reason."""

    def __init__(self, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        self.lanes: dict[int, LaneEnd] = {}
        self.on_lost: Callable[[Exception | None], None] = lambda err: None
        self.on_word: Callable[[Any], None] = self._remember
        self.last_words = ""
        self.heard_at = loop.time()
        self._now = loop.time
        self._reader = reader
        self._rest = b""
        self._beat_at = 0.0

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self.heard_at = now = self._now()
        if self._rest:
            data = self._rest + data
        at = self._split(data)
        self._rest = data[at:] if at < len(data) else b""
        if self.lanes and now - self._beat_at > _BEAT_EVERY_S:
            self._beat_at = now
            self._reader.feed_data(_BEAT)  # any traffic counts as a beat, and aiormq sees only its own

    def eof_received(self) -> bool | None:
        """See asyncio.Protocol."""
        if self._rest:
            self._reader.feed_data(self._rest)
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self.on_lost(exc)

    def _split(self, data: bytes) -> int:
        """Hand on all whole frames; where the rest begins."""
        lanes, unpack, at, end = self.lanes, FRAME.unpack_from, 0, len(data)
        while end - at >= OVERHEAD_BYTES:
            kind, channel, size = unpack(data, at)
            if kind not in _KINDS:
                self._reader.feed_data(data[at:])  # no AMQP: aiormq says so
                return end
            begin = at + 7
            stop = begin + size
            if stop >= end:
                break
            lane = lanes.get(channel)
            if lane is not None:
                if data[stop] != 0xCE:
                    raise ConnectionError("a frame from the broker does not end as a frame ends")
                lane.received(kind, data[begin:stop])
            elif channel == 0:
                self._reader.feed_data(data[at : stop + 1])
                if kind == METHOD:
                    self._overhear(data[at : stop + 1])
            at = stop + 1
        return at

    def _remember(self, method: Any) -> None:
        """What the broker says before somebody listens is why there is no login."""
        self.last_words = words_of(method)

    def _overhear(self, whole: bytes) -> None:
        if whole[7:11] in (CONNECTION_BLOCKED, CONNECTION_UNBLOCKED, CONNECTION_CLOSE):
            self.on_word(pamqp_frame.unmarshal(whole)[2])


class Taps(TransportFactory):
    """Makes the transport of one aiormq connection with a tap in it."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self.tap: Tap | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=2**20, loop=loop)
        self.tap = tap = Tap(reader, loop)
        transport, _ = await loop.create_connection(lambda: tap, url.host or "", url.port or 0, ssl=self._context)
        self.writer = asyncio.StreamWriter(transport, tap, reader, loop)
        return reader, self.writer


def words_of(method: Any) -> str:
    """What a Connection.Close says, or a Connection.Blocked."""
    if isinstance(method, ConnectionMethods.Close):
        return f"{method.reply_code} {method.reply_text}"
    return str(getattr(method, "reason", ""))
