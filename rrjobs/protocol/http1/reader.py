"""Bytes of one connection to requests, on httptools, with the checks that llhttp leaves to its user."""

from typing import Protocol

import httptools

from rrjobs.protocol.http1.known import KnownRequests
from rrjobs.protocol.http1.limits import CHUNK_OVERHEAD_BYTES, MIN_FIELD_BYTES, Limits
from rrjobs.protocol.http1.names import KNOWN, canonical_name
from rrjobs.protocol.http1.request import HTTP_10, HTTP_11, Headers, Refusal, Request, field_count, head_size, too_large

_SPACE = 0x20
_METHODS = {name.encode(): name for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")}


class Taker(Protocol):
    """Who gets what was read."""

    def head_read(self, request: Request) -> None:
        """A head is complete and a body follows."""
        ...

    def body_read(self, request: Request, data: bytes) -> None:
        """A piece of that body."""
        ...

    def request_read(self, request: Request) -> None:
        """The request is whole."""
        ...


class RequestReader:
    """Parses what one client sends; every split of the same bytes gives the same requests.

    `feed` raises Refusal at the first byte that makes the stream unusable; it must not be fed again.
    """

    __slots__ = (
        "_chunks",
        "_fed",
        "_headers",
        "_known",
        "_limits",
        "_message_bytes",
        "_parser",
        "_skipping",
        "_taker",
        "_target",
        "finished",
        "in_head",
        "request",
    )

    def __init__(self, taker: Taker, limits: Limits, known: KnownRequests) -> None:
        self._taker = taker
        self._limits = limits
        self._known = known
        self._fed = b""
        """What is parsed now, if it began where no request was under way."""
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: Headers = {}
        self._message_bytes = 0
        self._chunks = 0
        self._skipping = False
        self.in_head = False
        self.finished = False
        """Set by the last request of the connection: what comes after it is not looked at."""
        self.request: Request | None = None
        """The request whose body is being read."""

    def feed(self, data: bytes | memoryview) -> None:
        """Parse the next bytes, telling the taker on the way."""
        self._fed = b""
        if self.request is None and not self.in_head and not self.finished and type(data) is bytes:
            request = self._known.find(data)
            if request is not None:
                self._taker.request_read(request)
                return
            self._fed = data
        self._parse(data)

    def _parse(self, data: bytes | memoryview) -> None:
        self._message_bytes += len(data)
        upgraded_at = -1
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            upgraded_at = upgrade.args[0]  # going on here would hide what callbacks raise behind this exception
        except httptools.HttpParserCallbackError as err:
            cause = err.__context__
            if isinstance(cause, Refusal):
                raise cause from None
            raise
        except httptools.HttpParserInvalidMethodError as err:
            raise Refusal(501, "unknown request method") from err
        except httptools.HttpParserError as err:
            if self.finished:
                return
            raise Refusal(400, str(err)) from err
        if upgraded_at >= 0:
            self._go_on(memoryview(data)[upgraded_at:])
        if self.in_head:
            if self._message_bytes > self._limits.header_bytes:
                raise Refusal(431, "request head too large")
        elif self.request is not None and self.request.chunked:
            self._check_overhead(self.request)

    def _go_on(self, rest: memoryview) -> None:
        """Nobody is upgraded: read the same connection on, the body first that llhttp left unread."""
        self._parser = httptools.HttpRequestParser(self)
        request = self.request
        if request is not None:
            framing = (
                b"Transfer-Encoding: chunked" if request.chunked else b"Content-Length: %d" % (request.length or 0)
            )
            self._skipping = True
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n\r\n" % framing)
            self._skipping = False
        if rest:
            self._message_bytes = 0
            self._parse(rest)

    def _check_overhead(self, request: Request) -> None:
        overhead = self._message_bytes - request.received_bytes
        if overhead > CHUNK_OVERHEAD_BYTES + 16 * self._chunks + 2 * request.received_bytes:
            raise Refusal(400, "chunked body with too much beside its data")

    def on_message_begin(self) -> None:
        """The first byte of a request line."""
        self.in_head = True

    def on_url(self, part: bytes) -> None:
        """A piece of the request target."""
        self._target += part
        if len(self._target) > self._limits.line_bytes:
            raise Refusal(414, "request target too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One whole header line, or a trailer, which is dropped at the end of the message."""
        try:
            key = KNOWN[name]
        except KeyError:
            key = canonical_name(name)
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("utf-8", "surrogateescape")
        if value and value[-1] <= _SPACE:
            text = text.rstrip(" \t")
        headers = self._headers
        if key in headers:
            headers[key].append(text)
        else:
            headers[key] = [text]

    def on_headers_complete(self) -> None:
        """The empty line behind the head."""
        if self._skipping:
            self._headers = {}
            self._target = b""
            return
        self.in_head = False
        parser = self._parser
        version = parser.get_http_version()
        if version != HTTP_11 and version != HTTP_10:
            raise Refusal(505, f"HTTP/{version} is not supported")
        headers = self._headers
        self._headers = {}
        limits = self._limits
        if self._message_bytes > MIN_FIELD_BYTES * limits.headers or self._message_bytes > limits.header_bytes:
            _check_size(headers, limits)
        method = parser.get_method()
        name = _METHODS.get(method) or method.decode("ascii")
        if name == "CONNECT":
            raise Refusal(501, "CONNECT is not supported")
        request = Request(name, self._target.decode("latin-1"), version, headers, parser.should_keep_alive())
        self._target = b""
        request.check(limits)
        self.request = request
        if request.chunked or request.length:
            self._chunks = 0
            self._message_bytes = 0
            self._taker.head_read(request)

    def on_chunk_header(self) -> None:
        """The size line of a chunk."""
        self._chunks += 1

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        request = self.request
        assert request is not None
        request.received_bytes += len(data)
        if request.received_bytes > self._limits.body_bytes:
            raise too_large()
        self._taker.body_read(request, data)

    def on_message_complete(self) -> None:
        """The end of a message, or of the head of one that asks for an upgrade and has a body."""
        request = self.request
        assert request is not None
        if request.upgrade and request.has_body and self._parser.should_upgrade():
            return
        self.request = None
        self._message_bytes = 0
        if self._headers:
            self._headers = {}
        if not request.keep_alive:
            self.finished = True
        if self._fed:
            self._known.learn(self._fed, request)
            self._fed = b""
        self._taker.request_read(request)


def _check_size(headers: Headers, limits: Limits) -> None:
    if field_count(headers) > limits.headers:
        raise Refusal(431, "too many header fields")
    if head_size(headers) > limits.header_bytes:
        raise Refusal(431, "request head too large")
