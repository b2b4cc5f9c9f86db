"""An HTTP request on its way through the pipeline, and the worker's answer on its way to the client.

waiting --encode--> lent --answer...--> settled
   |  ^               |
   |  +-- returned ---+-- failed, client gone --> settled (when the worker is done with it)
   +-- client gone, waited too long, dropped --> settled, cancelled
"""

from typing import ClassVar, Protocol, cast

from rrjobs.drivers.http.answer import UnknownStatus, read_head
from rrjobs.drivers.http.context import ContextEncoder
from rrjobs.drivers.http.cookies import read_cookies
from rrjobs.drivers.http.failures import FailurePages
from rrjobs.drivers.http.form import Form
from rrjobs.drivers.http.repeated import Repeated
from rrjobs.drivers.http.target import Target
from rrjobs.pipeline.delivery import Delivery
from rrjobs.protocol.frame import MAX_PAYLOAD_BYTES, STREAM, data_frame
from rrjobs.protocol.http1.exchange import Exchange
from rrjobs.protocol.http1.head import ResponseHead
from rrjobs.protocol.http1.request import Request
from rrjobs.worker.load import Fault, Flow

PIPELINE = "http"
_MAX_BODY_BYTES = MAX_PAYLOAD_BYTES - 2**24
"""Leaves room for the context, which `limits.header_bytes` bounds."""

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})

_NO_COOKIES: dict[str, str] = {}
_OK = ResponseHead(200, {})
_PROTOCOLS = {"1.1": "HTTP/1.1", "1.0": "HTTP/1.0"}


class Desk(Protocol):
    """The driver, as its deliveries see it."""

    codec: int
    encode_context: ContextEncoder

    def waits_again(self, delivery: "HttpDelivery") -> None:
        """A worker gave it back unstarted."""
        ...

    def failed(self, delivery: "HttpDelivery", reason: str) -> None:
        """Answer in place of the worker."""
        ...

    def report(self, delivery: "HttpDelivery", reason: str) -> None:
        """Tell the people who run this server that the worker's answer was none."""
        ...

    def too_late(self, delivery: "HttpDelivery") -> None:
        """No worker was free in time: say so."""
        ...

    def unavailable(self, delivery: "HttpDelivery") -> None:
        """The server stops: say so."""
        ...

    def warn(self, delivery: "HttpDelivery", message: str) -> None:
        """Something that people should know about the worker's answer."""
        ...

    def settled(self, delivery: "HttpDelivery") -> None:
        """The worker and the pipeline are done with it; called once."""
        ...


class HttpDelivery(Delivery):
    """One request in the pipeline. `waits`: no worker has it. `gone`: nobody wants the answer any more."""

    __slots__ = (
        "_flow",
        "desk",
        "exchange",
        "form",
        "gone",
        "number",
        "peer",
        "settled",
        "started_at",
        "target",
        "waits",
    )

    started_at: float
    """By the monotonic clock; set only where a log wants it."""

    mode: ClassVar[str] = "http"

    def __init__(
        self, desk: Desk, exchange: Exchange, target: Target, peer: str, form: Form | None, priority: int, number: int
    ) -> None:
        self.pipeline = PIPELINE
        self.priority = priority
        note = exchange.request.note
        self.kind = note.kind if isinstance(note, Repeated) else kind_of(exchange.request, target)
        self.attempt = 1
        self.crashes = 0
        self.cancelled = False
        self.refusals = 0
        self.lane = None
        self.desk = desk
        self.exchange = exchange
        self.target = target
        self.peer = peer
        self.form = form
        self.number = number
        self.waits = True
        self.gone = False
        self.settled = False
        self._flow: Flow | None = None

    @property
    def ident(self) -> str:
        """The number of the request in this server's life."""
        return f"http-{self.number}"

    # what the pipeline and the worker call

    def encode(self) -> bytes:
        """The request frame (spec/worker-and-http.md 5.1). Raises ValueError when it exceeds what a frame can hold."""
        request = self.exchange.request
        self.waits = False
        note = request.note
        if self.form is not None or not isinstance(note, Repeated):
            return self._encode(request)
        frame = note.frames.get(self.peer)
        if frame is None:
            frame = self._encode(request)
            note.keep(self.peer, frame)
        return frame

    def _encode(self, request: Request) -> bytes:
        headers = request.headers
        form = self.form
        target = self.target
        context = self.desk.encode_context(
            self.peer,
            _PROTOCOLS[request.version],
            request.method,
            target.uri,
            headers,
            read_cookies(headers["Cookie"]) if "Cookie" in headers else _NO_COOKIES,
            target.query,
            form is not None,
            b"" if form is None else form.uploads,
        )
        body = cast(bytes, request.body) if form is None else form.fields
        if len(body) > _MAX_BODY_BYTES:
            raise ValueError(f"a body of {len(body)} bytes does not fit into a frame")
        return data_frame(context, body, self.desk.codec)

    def streams(self, flow: Flow) -> None:
        """The worker can be made to wait while the client does not read."""
        self._flow = flow

    def answer(self, flags: int, stream: int, context: bytes, body: bytes) -> bool:
        """Pass one frame on to the client. The first final head counts, an empty context continues the body."""
        exchange = self.exchange
        if stream & STREAM:
            return self._stream(flags, context, body)
        if exchange.mode:
            self._last_piece(flags, context, body)
        else:
            try:
                head = read_head(flags, context) if context else _headless(body)
                if head.status < 200:
                    raise ValueError(f"the answer ends with the interim status {head.status}")
                exchange.answer(head, body)
            except ValueError as err:
                self._unreadable(err)
        self._settle()
        return True

    def finished(self) -> None:
        """The answer was passed on long ago."""
        if not self.settled:
            self._settle()

    def failed(self, fault: Fault) -> None:
        """An error page, or a visible break where the answer has begun."""
        exchange = self.exchange
        if not exchange.mode:
            self.desk.failed(self, fault.message)
        if not fault.is_crash:
            self.desk.report(self, fault.message)
        exchange.cut()
        self._settle()

    def returned(self) -> None:
        """Unstarted on a worker that is gone: wait again, if anybody still does."""
        if self.gone:
            self.cancelled = True
            self._settle()
        else:
            self.waits = True
            super().returned()
            self.desk.waits_again(self)

    def not_lent(self) -> None:
        """It can still be withdrawn, and its wait was not interrupted."""
        self.waits = True

    def in_doubt(self, fault: Fault) -> None:
        """Only what may be repeated without harm goes to another worker (RFC 9110, 9.2.2)."""
        if self.exchange.request.method in _IDEMPOTENT:
            self.returned()
        else:
            self.failed(fault)

    def dropped(self, reason: str) -> None:
        """The server stops before a worker was free."""
        if not self.settled:
            self.desk.unavailable(self)
            self._settle()

    # what the waiting room calls

    def waited_too_long(self) -> None:
        """No worker was free in time."""
        self.cancel()
        self.desk.too_late(self)
        self._settle()

    # what the connection calls

    def client_gone(self) -> None:
        """Drop the answer; the worker goes on, unless none has started."""
        self.gone = True
        if self._flow is not None:
            self._flow.stop_stream()
        if self.waits:
            self.withdraw()

    def withdraw(self) -> bool:
        """Give up if no worker has it yet."""
        if not self.waits:
            return False
        self.gone = True
        self.cancel()
        self._settle()
        return True

    def client_stalled(self) -> None:
        """Make the worker wait."""
        if self._flow is not None:
            self._flow.pause_stream()

    def client_reads(self) -> None:
        """Let it go on."""
        if self._flow is not None:
            self._flow.resume_stream()

    def _stream(self, flags: int, context: bytes, body: bytes) -> bool:
        exchange = self.exchange
        if exchange.mode:
            self._note_trailers(flags, context)
            return exchange.send(body)
        try:
            head = read_head(flags, context) if context else _OK
        except ValueError as err:
            self._unreadable(err)
            return False
        if head.status < 200:
            return self._interim(head, body)
        return exchange.begin(head, body)

    def _interim(self, head: ResponseHead, body: bytes) -> bool:
        if head.status == 101:
            self.desk.warn(self, "status 101 is not supported, it was not sent")
        else:
            self.exchange.inform(head)
        if body:
            self.desk.warn(self, f"the body of an answer with status {head.status} was dropped")
        return not self.gone

    def _last_piece(self, flags: int, context: bytes, body: bytes) -> None:
        self._note_trailers(flags, context)
        if self.exchange.send(body):
            self.exchange.end()

    def _note_trailers(self, flags: int, context: bytes) -> None:
        """Heads repeated in every chunk matter only for trailers that become known late."""
        exchange = self.exchange
        if exchange.is_over or b"railer" not in context:
            return
        try:
            exchange.trailers = read_head(flags, context).trailers or exchange.trailers
        except ValueError as err:
            self.desk.warn(self, f"unreadable context in mid-stream: {err}")

    def _unreadable(self, err: ValueError) -> None:
        if isinstance(err, UnknownStatus):
            FailurePages.text(self.exchange, 500, f"{err}\n")
        else:
            self.desk.failed(self, f"malformed answer: {err}")
        self.desk.report(self, f"malformed answer: {err}")

    def _settle(self) -> None:
        if not self.settled:
            self.settled = True
            self.waits = False
            if self._flow is not None:
                self._flow.resume_stream()
                self._flow = None
            self.exchange.answerer = None  # no reference cycle outlives the request
            self.desk.settled(self)


def kind_of(request: Request, target: Target) -> str:
    """What execution times are kept by."""
    return f"{request.method} {target.path}"


def _headless(body: bytes) -> ResponseHead:
    if not body:
        raise ValueError("the answer has neither status nor body")
    return _OK
