"""One request and the way to answer it."""

from typing import Protocol

from rrjobs.protocol.http1.answerer import Answerer, BodySink
from rrjobs.protocol.http1.body_room import BodyRoom
from rrjobs.protocol.http1.date import date_line
from rrjobs.protocol.http1.head import ResponseHead, header_lines
from rrjobs.protocol.http1.request import HTTP_11, Refusal, Request
from rrjobs.protocol.http1.sniff import sniff

UNANSWERED, COUNTED, CHUNKED, UNTIL_CLOSE, MUTE, DONE = range(6)
"""How the body of an answer travels: by Content-Length, in chunks, up to the end of the connection, not at all."""

MAX_STALLED_BYTES = 4 * 1024 * 1024
"""What a stream may still add while its client does not read; a stream that does not stop at that is cut."""

_LAST_CHUNK = b"0\r\n\r\n"
_LENGTHS = tuple(b"Content-Length: %d\r\n\r\n" % size for size in range(1024))
_types: dict[bytes, bytes] = {}


class Wire(Protocol):
    """The connection, as an exchange sees it."""

    peer: str
    ending: bool
    stalled_bytes: int

    @property
    def local(self) -> str:
        """The address the client connected to, as a `Host` header would say it."""
        ...

    @property
    def room(self) -> BodyRoom:
        """What bodies may take in memory."""
        ...

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""
        ...

    def answered(self, exchange: "Exchange") -> None:
        """The answer is whole."""
        ...

    def cut(self, exchange: "Exchange") -> None:
        """The answer will never be whole: let the client see that."""
        ...

    def hold_reading(self) -> None:
        """Read no more of this request's body for now."""
        ...

    def go_on_reading(self) -> None:
        """Take the body up again."""
        ...


class Exchange:
    """One request in its turn on a connection. An answer is `answer`, or `begin`, `send`..., `end`.

    Calls after the end, or after the client left, do nothing; `send` says so by False.
    """

    __slots__ = (
        "_left",
        "answerer",
        "mode",
        "ready",
        "refusal",
        "request",
        "sent_bytes",
        "sink",
        "status",
        "trailers",
        "wire",
    )

    trailers: list[tuple[str, str]]
    """What follows the body of a streamed answer; set by `begin`, may be replaced before `end`."""

    def __init__(self, wire: Wire, request: Request) -> None:
        self.wire = wire
        self.request = request
        self.answerer: Answerer | None = None
        self.sink: BodySink | None = None
        self.refusal: Refusal | None = None
        self.ready = False
        self.mode = UNANSWERED
        self.status = 0
        self.sent_bytes = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing can be answered any more."""
        return self.mode == DONE

    def answer(self, head: ResponseHead, body: bytes = b"") -> None:
        """The whole answer at once."""
        if self.mode:
            return
        self.mode = DONE
        self.status = head.status
        wire = self.wire
        if head.simple and self.request.plain and not wire.ending:
            size = len(body)
            self.sent_bytes = size
            kind = _type_line(body) if head.sniffs and size else b""
            wire.write(b"".join((head.lines, kind, date_line(), _length_line(size), body)))
        else:
            wire.write(self._whole(head, body))
        wire.answered(self)

    def inform(self, head: ResponseHead) -> None:
        """An interim (1xx) head."""
        if self.mode == UNANSWERED and self.request.version == HTTP_11:
            self.wire.write(head.lines + b"\r\n")

    def begin(self, head: ResponseHead, body: bytes = b"") -> bool:
        """The head of a streamed answer and the first piece of its body; False if nobody listens."""
        if self.mode:
            return False
        self.status = head.status
        self.trailers = head.trailers
        self.mode = self._choose_mode(head)
        kind = _type_line(body) if head.sniffs and body else b""
        framing = self._framing(head)
        self.wire.write(self._head(head, kind, framing) + self._framed(body))
        return True

    def send(self, body: bytes) -> bool:
        """The next piece; False if nobody listens."""
        if self.mode == DONE:
            return False
        data = self._framed(body)
        if data:
            wire = self.wire
            if wire.stalled_bytes > MAX_STALLED_BYTES:
                self.cut()
                return False
            wire.write(data)
        return True

    def end(self) -> None:
        """The end of a streamed answer."""
        if self.mode == DONE:
            return
        if self.mode == COUNTED and self._left:
            self.cut()
            return
        if self.mode == CHUNKED:
            self.wire.write(b"0\r\n%s\r\n" % header_lines(self.trailers) if self.trailers else _LAST_CHUNK)
        if self.mode == UNTIL_CLOSE:
            self.wire.ending = True
        self.mode = DONE
        self.wire.answered(self)

    def cut(self) -> None:
        """The answer broke off: close so that the client sees it."""
        if self.mode != DONE:
            self.wire.cut(self)

    def _choose_mode(self, head: ResponseHead) -> int:
        if head.bodyless or self.request.method == "HEAD":
            return MUTE
        if head.length is not None and not head.trailers:
            self._left = head.length
            return COUNTED
        return CHUNKED if self.request.version == HTTP_11 else UNTIL_CLOSE

    def _framing(self, head: ResponseHead) -> bytes:
        if self.mode == CHUNKED:
            return b"Transfer-Encoding: chunked\r\n"
        if head.length is not None and not head.bodyless and self.mode != UNTIL_CLOSE:
            return b"Content-Length: %d\r\n" % head.length
        return b""

    def _framed(self, body: bytes) -> bytes:
        mode = self.mode
        if not body or mode == MUTE:
            return b""
        if mode == COUNTED:
            body = body[: self._left]
            self._left -= len(body)
        self.sent_bytes += len(body)
        return b"%x\r\n%b\r\n" % (len(body), body) if mode == CHUNKED else body

    def _whole(self, head: ResponseHead, body: bytes) -> bytes:
        kind = _type_line(body) if head.sniffs and body else b""
        if head.bodyless:
            return self._head(head, kind, b"")
        if self.request.method == "HEAD":
            length = len(body) if body else head.length
            return self._head(head, kind, b"" if length is None else b"Content-Length: %d\r\n" % length)
        self.sent_bytes = len(body)
        if head.trailers and self.request.version == HTTP_11:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            last = b"0\r\n%b\r\n" % header_lines(head.trailers)
            return self._head(head, kind, b"Transfer-Encoding: chunked\r\n") + chunk + last
        return self._head(head, kind, b"Content-Length: %d\r\n" % len(body)) + body

    def _head(self, head: ResponseHead, kind: bytes, framing: bytes) -> bytes:
        wire = self.wire
        lines = head.lines
        persistence = b""
        if head.closes or not self.request.keep_alive or self.mode == UNTIL_CLOSE:
            wire.ending = True
        if self.request.version != HTTP_11:
            lines = b"HTTP/1.0" + lines[8:]
            persistence = b"Connection: keep-alive\r\n"
        if wire.ending:
            persistence = b"Connection: close\r\n"
        date = b"" if head.dated else date_line()
        return b"".join((lines, kind, date, framing, persistence, b"\r\n"))


def _length_line(size: int) -> bytes:
    return _LENGTHS[size] if size < 1024 else b"Content-Length: %d\r\n\r\n" % size


def _type_line(body: bytes) -> bytes:
    kind = sniff(body)
    line = _types.get(kind)
    if line is None:
        line = _types[kind] = b"Content-Type: %s\r\n" % kind
    return line
