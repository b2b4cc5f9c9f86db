"""One client's connection: its requests in order, each with its turn, time limits, and an end.

    fresh --> head --> (body) --> the exchange has its turn --> answered --> idle --> head ...
                |         |                   |                    |
                +---------+---- refused ------+---- last answer ---+--> closing

Everything happens in callbacks of the event loop: no task, future or timer belongs to a request.
"""

import asyncio
from collections import deque
from typing import Protocol, cast

from rrjobs.protocol.http1.body_room import BodyRoom
from rrjobs.protocol.http1.exchange import DONE, UNTIL_CLOSE, Exchange
from rrjobs.protocol.http1.known import KnownRequests
from rrjobs.protocol.http1.limits import BODY_PROGRESS_BYTES, HALF_CLOSED_S, Limits
from rrjobs.protocol.http1.line import FULL, PARKED, SINK, Line
from rrjobs.protocol.http1.pages import refusal_page
from rrjobs.protocol.http1.reader import RequestReader
from rrjobs.protocol.http1.request import HTTP_10, HTTP_11, Refusal, Request
from rrjobs.protocol.http1.roles import Handler

RECENT_S = 1.0
"""A client that was answered so recently probably asks again."""

_FRESH, _IDLE, _HEAD = range(3)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Hub(Protocol):
    """The server, as its connections see it. `now`: the loop's time, a tick coarse."""

    limits: Limits
    known: KnownRequests
    bodies: BodyRoom
    handler: Handler
    now: float
    draining: bool

    def opened(self, connection: "Connection") -> None:
        """A new connection."""
        ...

    def closed(self, connection: "Connection") -> None:
        """A connection that is no more."""
        ...


class Connection(Line):
    """The requests of one client. `current` is the exchange whose turn it is."""

    __slots__ = ("_body_mark", "_hub", "_known", "_phase", "_queue", "_reader", "_running", "current", "eof", "peer")

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub.now)
        self._hub = hub
        self._reader = RequestReader(self, hub.limits, hub.known)
        self._known = hub.known.whole
        self._queue: deque[Exchange] = deque()
        self._body_mark = 0
        self._running = False
        self._phase = _FRESH
        self.current: Exchange | None = None
        self.peer = ""
        self.eof = False

    @property
    def local(self) -> str:
        """The address the client connected to, as a `Host` header would say it."""
        name = self._transport.get_extra_info("sockname")
        if not isinstance(name, tuple):
            return "localhost"
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    @property
    def room(self) -> BodyRoom:
        """What bodies may take in memory."""
        return self._hub.bodies

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else "@"
        self.ending = self._hub.draining
        self._hub.opened(self)

    def eof_received(self) -> bool:
        """The client sends no more; it may still wait for answers."""
        self.eof = True
        self.since = self._hub.now
        return not self.closing and self.current is not None and self.current.ready

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, or we closed."""
        self.deaf = self.closing = True
        exchanges = [self.current] if self.current is not None else []
        exchanges += self._queue
        self._queue.clear()
        self.current = None
        for exchange in exchanges:
            self._leave(exchange)
        self._hub.closed(self)

    def pause_writing(self) -> None:
        """The client does not keep up with what is sent."""
        self.mark_stalled()
        self.since = self._hub.now
        if self.current is not None and self.current.answerer is not None:
            self.current.answerer.client_stalled()

    def resume_writing(self) -> None:
        """It does again."""
        self.mark_reading()
        self.since = self._hub.now
        if self.current is not None and self.current.answerer is not None:
            self.current.answerer.client_reads()
        self._run()

    def data_received(self, data: bytes) -> None:
        """What came before needs no parsing."""
        reader = self._reader
        if self.current is None and reader.request is None and not (reader.in_head or self._held or self.deaf):
            request = self._known.get(data)
            if request is not None and not (reader.finished or self.stalled):
                exchange = self.current = Exchange(self, request)
                exchange.ready = True
                self._hub.handler.requested(exchange)
                return
        super().data_received(data)

    def parse(self, data: bytes | memoryview) -> None:
        """Read requests; refuse what is none."""
        try:
            self._reader.feed(data)
        except Refusal as refusal:
            self.refuse(refusal)
        if self.current is None:
            self._note_head()

    # what the reader calls

    def head_read(self, request: Request) -> None:
        """A request whose body follows: find out where the body goes."""
        exchange = Exchange(self, request)
        exchange.sink = self._hub.handler.body_sink(exchange)
        if exchange.sink is None:
            self._hub.bodies.expect(request)
        if self.current is not None:
            self._queue.append(exchange)
        else:
            self.current = exchange
            self._begin_body(exchange)

    def body_read(self, request: Request, data: bytes) -> None:
        """A piece of the body that is being read."""
        exchange = self._queue[-1] if self._queue else self.current
        if exchange is None:
            return
        request.expects = False
        if exchange.sink is not None:
            exchange.sink.feed(data)
        else:
            self._collect(request, data)

    def _collect(self, request: Request, data: bytes) -> None:
        body = request.body
        self._hub.bodies.take(len(body), len(data))
        if not body:
            request.body = data
        elif isinstance(body, bytes):
            request.body = bytearray(body) + data
        else:
            body += data

    def request_read(self, request: Request) -> None:
        """A whole request: answer it when its turn comes."""
        if request.has_body:
            exchange = self._queue[-1] if self._queue else self.current
            if exchange is None:
                return
        else:
            exchange = Exchange(self, request)
            if self.current is None and not self.stalled:
                self.current = exchange
            else:
                self._queue.append(exchange)
        exchange.ready = True
        if self.current is exchange:
            self._hub.handler.requested(exchange)
        elif len(self._queue) >= self._hub.limits.max_pipelined:
            self.hold(FULL)

    # what exchanges call

    def answered(self, exchange: Exchange) -> None:
        """The turn of the next exchange, or the end."""
        if exchange.request.body:
            self._forget_body(exchange.request)
        self.current = None
        self._phase = _IDLE
        self.since = self._hub.now
        if self.ending:
            self.finish(self.since, linger=exchange.refusal is not None)
            self._drop_queue()
        elif self._queue or self._held or self.eof:
            self._run()

    def cut(self, exchange: Exchange) -> None:
        """Close in the middle of an answer, by a reset where a plain close would look like the answer's end."""
        if exchange.mode == UNTIL_CLOSE or exchange.request.version == HTTP_10:
            self.reset()
        else:
            self.finish(self._hub.now, linger=False)
        exchange.mode = DONE

    def hold_reading(self) -> None:
        """The sink of a body is full."""
        self.hold(SINK)

    def go_on_reading(self) -> None:
        """It has room again."""
        self.release(SINK)

    # what the hub calls

    def check(self, now: float) -> None:
        """Enforce the time limits."""
        limits = self._hub.limits
        if self._held & PARKED or self.check_writing(now, limits):
            return
        waited = now - self.since - limits.tick_s
        current = self.current
        if current is None:
            self._check_idle(waited, limits)
        elif not current.ready:
            self._check_body(current.request, now, waited, limits)
        elif self.eof and waited >= HALF_CLOSED_S and current.answerer is not None and current.answerer.withdraw():
            self.close_idle()

    def drain(self) -> None:
        """Answer what is here, then close; at once if nothing is. A client that just came, or just had an answer, may
        say what it wants: its request may be on the way, and closing now would be a reset.
        """
        self.ending = True
        if self._phase != _FRESH and self._hub.now - self.since >= RECENT_S:
            self.end_silent()

    def end_silent(self) -> None:
        """Close if no request has begun."""
        if self.current is None and not self._reader.in_head and not self.closing:
            self.close_idle()

    def refuse(self, refusal: Refusal) -> None:
        """Answer with an error in its turn, then close."""
        if self.deaf:
            return
        self.deaf = True
        self._hub.handler.refused(self.peer, refusal)
        unready = self._queue[-1] if self._queue else self.current
        if unready is None or unready.ready:
            unready = Exchange(self, Request("GET", "", HTTP_11, {}, keep_alive=False))
            if self.current is None:
                self.current = unready
            else:
                self._queue.append(unready)
        if unready.sink is not None:
            unready.sink.discard()
        self._forget_body(unready.request)
        unready.refusal = refusal
        if self.current is unready:
            _answer_refusal(unready, refusal)

    def _note_head(self) -> None:
        if self._reader.in_head and self._phase != _HEAD:
            self._phase = _HEAD
            self.since = self._hub.now

    def _begin_body(self, exchange: Exchange) -> None:
        self.since = self._hub.now
        self._body_mark = exchange.request.received_bytes
        if exchange.request.expects:
            self.write(_CONTINUE)

    def _run(self) -> None:
        """Give the next exchanges their turn, as long as each is answered at once."""
        if self._running:
            return
        self._running = True
        while self.current is None and not self.stalled and not self.closing:
            if not self._queue:
                self._out_of_requests()
                break
            exchange = self.current = self._queue.popleft()
            if exchange.refusal is not None:
                _answer_refusal(exchange, exchange.refusal)
            elif exchange.ready:
                self._hub.handler.requested(exchange)
            else:
                self._begin_body(exchange)
        self._running = False

    def _out_of_requests(self) -> None:
        if self.eof:
            self.finish(self._hub.now, linger=False)
        else:
            self.release(FULL)

    def _drop_queue(self) -> None:
        while self._queue:
            self._leave(self._queue.popleft())

    def _leave(self, exchange: Exchange) -> None:
        """Nobody listens to this exchange any more."""
        exchange.mode = DONE
        if not exchange.ready and exchange.sink is not None:
            exchange.sink.discard()
        if exchange.answerer is not None:
            exchange.answerer.client_gone()
        self._forget_body(exchange.request)

    def _forget_body(self, request: Request) -> None:
        """It is with a worker, or nobody will read it."""
        self._hub.bodies.give_back(len(request.body))
        request.body = b""

    def _check_idle(self, waited: float, limits: Limits) -> None:
        if self._phase == _HEAD or self._reader.in_head:
            if waited >= limits.header_timeout_s:
                self.refuse(Refusal(408, "the request head took too long"))
        elif waited >= (limits.header_timeout_s if self._phase == _FRESH else limits.idle_timeout_s):
            self.close_idle()

    def _check_body(self, request: Request, now: float, waited: float, limits: Limits) -> None:
        if self._held or request.received_bytes - self._body_mark >= BODY_PROGRESS_BYTES:
            self.since = now
            self._body_mark = request.received_bytes
        elif waited >= limits.body_timeout_s:
            self.refuse(Refusal(408, "the request body came too slowly"))


def _answer_refusal(exchange: Exchange, refusal: Refusal) -> None:
    exchange.request.keep_alive = exchange.request.plain = False  # it was never whole, so nobody shares it
    exchange.answer(*refusal_page(refusal))
