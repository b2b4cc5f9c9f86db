"""Requests that were read before: what the same bytes said the last time.

A client that keeps its connection mostly sends the same header lines again and again, often with the same request line.
Whole requests without a body are looked up here before they are parsed. Header lines are also known apart from the
request line, so another path with the same headers is found too.

The parser decides what is right: header lines are known only after it took them, and a request line is one only in a
form that is plainly right. Nothing is known of heads with a body, an upgrade, or an end of the connection.
"""

import re

from rrjobs.protocol.http1.limits import MIN_FIELD_BYTES, Limits
from rrjobs.protocol.http1.request import HTTP_11, Headers, Request

MAX_BYTES = 2048
"""Longer heads are always parsed; with `MAX_KNOWN` this bounds the memory."""

MAX_KNOWN = 1024
_MAX_SEEN = 8192
_LINE = re.compile(rb"(GET|HEAD|DELETE|OPTIONS) (/[A-Za-z0-9$&'()*+,;=:@!._~/?%-]*) HTTP/1\.1")
_END = b"\r\n\r\n"


class KnownRequests:
    """Those of one server. Header lines that come for the second time are kept; what is kept is bounded."""

    __slots__ = ("_fields", "_line_bytes", "_max_bytes", "_seen", "whole")

    def __init__(self, limits: Limits) -> None:
        self.whole: dict[bytes, Request] = {}
        """By all their bytes. For reading: what is not in it may still be found by `find`."""
        self._line_bytes = limits.line_bytes
        self._max_bytes = min(MAX_BYTES, limits.header_bytes, MIN_FIELD_BYTES * limits.headers)
        self._fields: dict[bytes, tuple[Headers, str]] = {}
        self._seen: set[int] = set()

    def find(self, data: bytes) -> Request | None:
        """The one whole request that these bytes are, or None: then they must be parsed."""
        cut = data.find(b"\r\n")
        fields = self._fields.get(data[cut:])
        if fields is None:
            return None
        line = _LINE.fullmatch(data, 0, cut)
        if line is None or len(line[2]) > self._line_bytes:
            return None
        headers, host = fields
        request = Request(line[1].decode(), line[2].decode(), HTTP_11, headers, True)
        request.host = host
        request.repeats = True
        if len(self.whole) >= MAX_KNOWN:
            self.whole.clear()
        self.whole[data] = request
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
            if len(self._fields) >= MAX_KNOWN:
                self._fields.clear()
            self._fields[lines] = (request.headers, request.host)


def _is_repeatable(request: Request) -> bool:
    return request.keep_alive and request.version == HTTP_11 and not (request.has_body or request.upgrade)
