"""Where requests become deliveries and failures become answers; counts what is between."""

import time
from functools import partial

from rrjobs.drivers.http import codec_json, codec_protobuf
from rrjobs.drivers.http.access_log import AccessLog
from rrjobs.drivers.http.bodies import Bodies
from rrjobs.drivers.http.config import HttpConfig
from rrjobs.drivers.http.context import ContextEncoder
from rrjobs.drivers.http.delivery import HttpDelivery, kind_of
from rrjobs.drivers.http.failures import FailurePages
from rrjobs.drivers.http.form import Form, refusal_of
from rrjobs.drivers.http.forms import FormError
from rrjobs.drivers.http.proxy_ip import TrustedProxies
from rrjobs.drivers.http.repeated import Repeated
from rrjobs.drivers.http.shedding import Shedder
from rrjobs.drivers.http.target import Target, read_target
from rrjobs.drivers.http.waiting import WaitingRoom
from rrjobs.errors import PoolStopped
from rrjobs.pipeline.driver import Sink
from rrjobs.protocol.frame import CODEC_JSON, CODEC_PROTO
from rrjobs.protocol.http1.answerer import BodySink
from rrjobs.protocol.http1.exchange import Exchange
from rrjobs.protocol.http1.head import ResponseHead
from rrjobs.protocol.http1.request import Refusal, Request
from rrjobs.runtime.events import Events
from rrjobs.worker.config import PoolConfig

_EMPTY_OK = ResponseHead(200, {})


class Gate:
    """Takes requests from connections and puts them into the pipeline; `open` is False while none are taken."""

    def __init__(self, config: HttpConfig, pool: PoolConfig, events: Events, bodies: Bodies) -> None:
        self._bodies = bodies
        self._events = events
        self._priority = config.priority
        self._max_active = pool.max_queue_size
        protobuf = config.codec == "protobuf"
        self.codec = CODEC_PROTO if protobuf else CODEC_JSON
        self.encode_context: ContextEncoder = codec_protobuf.encode_context if protobuf else codec_json.encode_context
        self._sink: Sink | None = None
        self._proxies: TrustedProxies | None = None
        if config.trusted_subnets:
            self._proxies = TrustedProxies(config.trusted_subnets, config.trusted_headers, self._warn_of_proxy)
        self._number = 0
        self._log = AccessLog(events, long=config.access_logs)
        self._waiting = WaitingRoom(config.max_wait_s or pool.allocate_timeout_s)
        self._shedder = Shedder(config.max_wait_s, events) if config.max_wait_s else None
        self._bounded = bool(self._max_active or self._shedder)
        self.pages = FailurePages(config.internal_error_code, debug=pool.debug)
        self.open = False
        self.active = 0
        """Requests waiting for a worker or on one."""
        self.turned_away = 0
        """Requests for which no worker was free in time."""
        self.sent_away = 0
        """Requests that were answered with 503 unseen: the server stops, or is paused."""

    @property
    def shed(self) -> int:
        """Requests sent away because others wait too long already."""
        return self._shedder.shed if self._shedder else 0

    def start(self, sink: Sink) -> None:
        """Requests go into this sink from now on."""
        self._sink = sink
        self.open = True

    def close(self) -> None:
        """Take no more and forget who waits."""
        self.open = False
        self._waiting.close()

    # what connections call

    def body_sink(self, exchange: Exchange) -> BodySink | None:
        """Where the body of this request goes; None to memory."""
        return self._bodies.sink(exchange)

    def requested(self, exchange: Exchange) -> None:
        """A whole request: into the pipeline with it."""
        request = exchange.request
        self._number += 1
        note = request.note
        if self.open and isinstance(note, Repeated):
            self._submit(exchange, note.target, self._number, None)
            return
        if not self.open:
            self.sent_away += 1
            self.pages.unavailable(exchange)
        elif request.target == "*" and request.method == "OPTIONS":
            exchange.answer(_EMPTY_OK)
        else:
            self._take(exchange, request)
            return
        self._record(exchange)

    def refused(self, peer: str, refusal: Refusal) -> None:
        """Somebody sent what is no request."""
        self._events.emit("http.refused", remote_address=peer, status=refusal.status, reason=refusal.reason)

    def _take(self, exchange: Exchange, request: Request) -> None:
        try:
            target = read_target(request.target, request.host or exchange.wire.local)
        except ValueError as err:
            self.pages.text(exchange, 400, f"400 Bad Request: {err}\n")
            self._record(exchange)
            return
        if "Content-Type" in request.headers and self._bodies.decodes(request):
            self.active += 1
            self._bodies.decode(exchange, partial(self._decoded, exchange, target, self._number))
        else:
            if request.repeats:
                request.note = Repeated(target, kind_of(request, target))
            self._submit(exchange, target, self._number, None)

    def _decoded(self, exchange: Exchange, target: Target, number: int, form: Form | FormError) -> None:
        self.active -= 1
        if isinstance(form, FormError):
            refusal = refusal_of(form)
            self.pages.text(exchange, refusal.status, refusal.page)
            self._record(exchange)
        elif exchange.is_over:
            form.discard()
        else:
            self._submit(exchange, target, number, form)

    def _submit(self, exchange: Exchange, target: Target, number: int, form: Form | None) -> None:
        assert self._sink is not None
        peer = exchange.wire.peer
        if self._proxies is not None:
            peer = self._proxies.client_of(peer, exchange.request.headers)
        delivery = HttpDelivery(self, exchange, target, peer, form, self._priority, number)
        exchange.answerer = delivery
        if self._log.wanted:
            delivery.started_at = time.monotonic()
        self.active += 1
        if self._bounded and (reason := self._why_not()):
            self._overflow(delivery, reason)
            return
        try:
            self._sink.put(delivery)
        except PoolStopped as err:
            self.sent_away += 1
            delivery.dropped(str(err))
            return
        if delivery.waits:
            self._waiting.add(delivery)

    def _why_not(self) -> str:
        """Why one more request cannot be taken, "" when it can."""
        if self._max_active and self.active > self._max_active:
            return f"{self._max_active} requests are running or waiting already (max_queue_size of the pool)"
        if self._shedder is not None and self._shedder.refuses(self._waiting.oldest_s()):
            return "others have waited too long already (http.max_wait)"
        return ""

    def _overflow(self, delivery: HttpDelivery, reason: str) -> None:
        if self._shedder is not None:
            self._send_away(delivery, self._shedder, reason)
        else:
            self.failed(delivery, reason)
            self.report(delivery, reason)
        self.settled(delivery)

    def _send_away(self, delivery: HttpDelivery, shedder: Shedder, reason: str) -> None:
        self.pages.overloaded(delivery.exchange, shedder.send_away(reason, self._waiting.oldest_s()), reason)

    # what deliveries call

    def waits_again(self, delivery: HttpDelivery) -> None:
        """A worker gave it back unstarted: the wait for the next one has its full time."""
        if delivery.waits:
            self._waiting.add(delivery)

    def failed(self, delivery: HttpDelivery, reason: str) -> None:
        """Answer in place of the worker."""
        self.pages.failed(delivery.exchange, reason)

    def too_late(self, delivery: HttpDelivery) -> None:
        """No worker was free in time."""
        if self._shedder is not None:
            self._send_away(delivery, self._shedder, self._shedder.waited_out())
            return
        self.turned_away += 1
        reason = "no worker was free in time (allocate_timeout of the pool)"
        self.pages.no_workers(delivery.exchange, reason)
        self.report(delivery, reason)

    def unavailable(self, delivery: HttpDelivery) -> None:
        """The server stops."""
        self.pages.unavailable(delivery.exchange)

    def report(self, delivery: HttpDelivery, reason: str) -> None:
        """One log event for an answer that was none."""
        self._emit("http.failed", delivery, reason)

    def warn(self, delivery: HttpDelivery, message: str) -> None:
        """One log event for an answer with something wrong in it."""
        self._emit("http.warning", delivery, message)

    def settled(self, delivery: HttpDelivery) -> None:
        """Out of the count, and into the access log."""
        self.active -= 1
        if delivery.form is not None:
            delivery.form.discard()
        if self._log.wanted:
            self._log.record(delivery.exchange, delivery.peer, delivery.ident, delivery.started_at)

    def _record(self, exchange: Exchange) -> None:
        """The log record of a request that did not become a delivery."""
        if self._log.wanted:
            self._log.record(exchange, exchange.wire.peer, f"http-{self._number}", time.monotonic())

    def _warn_of_proxy(self, message: str) -> None:
        self._events.emit("http.warning", reason=message)

    def _emit(self, name: str, delivery: HttpDelivery, reason: str) -> None:
        request = delivery.exchange.request
        self._events.emit(name, id=delivery.ident, method=request.method, path=delivery.target.path, reason=reason)
