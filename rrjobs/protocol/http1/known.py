"""Request heads that were read before: what the same bytes said the last time.

A client that keeps its connection mostly sends the same header lines again and again, often with the same request line.
Whole requests without a body are looked up here before they are parsed. The request line and the lines below it are
known apart, so another path with the same headers is found too.

The parser decides what is right: header lines are known only after it took them, and a request line is one only in a
form that is plainly right. Nothing is known of heads with a body, an upgrade, or an end of the connection.
"""

import re

from rrjobs.protocol.http1.limits import MIN_FIELD_BYTES, Limits
from rrjobs.protocol.http1.request import HTTP_11, KnownHead, Request

MAX_BYTES = 2048
"""Longer heads are always parsed; with `MAX_KNOWN` this bounds the memory."""

MAX_KNOWN = 1024
_MAX_SEEN = 8192
_LINE = re.compile(rb"(GET|HEAD|DELETE|OPTIONS) (/[A-Za-z0-9$&'()*+,;=:@!._~/?%-]*) HTTP/1\.1")
_END = b"\r\n\r\n"


class KnownHeads:
    """Those of one server. Header lines that come for the second time are kept; what is kept is bounded."""

    __slots__ = ("_heads", "_line_bytes", "_lines", "_max_bytes", "_seen")

    def __init__(self, limits: Limits) -> None:
        self._line_bytes = limits.line_bytes
        self._max_bytes = min(MAX_BYTES, limits.header_bytes, MIN_FIELD_BYTES * limits.headers)
        self._heads: dict[bytes, KnownHead] = {}
        self._lines: dict[bytes, tuple[str, str]] = {}
        self._seen: set[int] = set()

    def request(self, data: bytes | memoryview) -> Request | None:
        """The one whole request that these bytes are, or None: then they must be parsed."""
        if len(data) > self._max_bytes or type(data) is not bytes:
            return None
        cut = data.find(b"\r\n")
        head = self._heads.get(data[cut:])
        if head is None:
            return None
        line = self._lines.get(data[:cut]) or self._read_line(data[:cut])
        if line is None:
            return None
        method, target = line
        request = Request(method, target, HTTP_11, head.headers, True)
        request.host = head.host
        request.known = head
        return request

    def learn(self, data: bytes, request: Request) -> None:
        """`request` was parsed from these bytes, and the parser was between two requests before them."""
        cut = data.find(b"\r\n")
        if cut <= 0 or len(data) > self._max_bytes or data.find(_END) != len(data) - len(_END):
            return
        lines = data[cut:]
        mark = hash(lines)
        if mark not in self._seen:
            if len(self._seen) >= _MAX_SEEN:
                self._seen.clear()
            self._seen.add(mark)
        elif _is_repeatable(request) and _LINE.fullmatch(data, 0, cut):
            if len(self._heads) >= MAX_KNOWN:
                self._heads.clear()
            self._heads[lines] = KnownHead(request.headers, request.host)

    def _read_line(self, line: bytes) -> tuple[str, str] | None:
        found = _LINE.fullmatch(line)
        if found is None or len(found[2]) > self._line_bytes:
            return None
        if len(self._lines) >= MAX_KNOWN:
            self._lines.clear()
        known = self._lines[line] = (found[1].decode(), found[2].decode())
        return known


def _is_repeatable(request: Request) -> bool:
    return request.keep_alive and request.version == HTTP_11 and not (request.has_body or request.upgrade)
