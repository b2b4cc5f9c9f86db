"""A request as it came: the head, checked, and the body as far as it was collected."""

import re
from collections.abc import Mapping
from http import HTTPStatus

from rrjobs.protocol.http1.limits import Limits

Headers = dict[str, list[str]]
"""Canonical names to values in order; bytes that are no UTF-8 are lone surrogates (`surrogateescape`)."""

HTTP_10 = "1.0"
HTTP_11 = "1.1"

_HOST = re.compile(r"[A-Za-z0-9!$&'()*+,;=%:._~\[\]-]*")
_SPECIAL = frozenset(
    ("Transfer-Encoding", "Content-Length", "Trailer", "Expect", "Upgrade", "Pragma"),
)
_MAX_KNOWN_HOSTS = 1024
_known_hosts: set[str] = set()


class Refusal(Exception):
    """A request that is answered with an error and whose connection is closed after it. `page` is what it reads,
    `retry_after_s` when it may come again, 0: never.
    """

    def __init__(self, status: int, reason: str, page: str = "", retry_after_s: int = 0) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.page = page or f"{status} {HTTPStatus(status).phrase}: {reason}\n"


def too_large() -> Refusal:
    """A body over the limit."""
    reason = "http: request body too large"
    return Refusal(413, reason, f"serve_http: {reason}\n")


class Request:
    """One request. `plain`: HTTP/1.1, kept alive and not HEAD, so that an answer needs no special care.

    `length` is the announced body length, None for a chunked one. `body` is what arrived, unless a sink takes it.
    `note` is for whoever answers: what was made of this request, which may be read again. `repeats`: it comes again and
    again, is shared by all who sent it, and must not be changed but for the note.
    """

    __slots__ = (
        "body",
        "chunked",
        "expects",
        "headers",
        "host",
        "keep_alive",
        "length",
        "method",
        "note",
        "plain",
        "received_bytes",
        "repeats",
        "target",
        "upgrade",
        "version",
    )

    def __init__(self, method: str, target: str, version: str, headers: Headers, keep_alive: bool) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.keep_alive = keep_alive
        self.plain = keep_alive and version == HTTP_11 and method != "HEAD"
        self.host = ""
        self.length: int | None = 0
        self.chunked = False
        self.expects = False
        self.upgrade = False
        self.body: bytes | bytearray = b""
        self.received_bytes = 0
        self.repeats = False
        self.note: object | None = None

    @property
    def has_body(self) -> bool:
        """Whether bytes of a body follow the head."""
        return self.chunked or bool(self.length)

    def check(self, limits: Limits) -> None:
        """Take `Host` and the framing headers out of the head; raises Refusal for what smugglers use."""
        headers = self.headers
        hosts = headers.pop("Host", None)
        if hosts is None:
            if self.version == HTTP_11:
                raise Refusal(400, "missing required Host header")
        elif len(hosts) > 1:
            raise Refusal(400, "too many Host headers")
        else:
            self.host = hosts[0]
            if self.host not in _known_hosts:
                _check_host(self.host)
        if not _SPECIAL.isdisjoint(headers):
            self._check_special(headers, limits)

    def _check_special(self, headers: Headers, limits: Limits) -> None:
        self.upgrade = "Upgrade" in headers
        headers.pop("Trailer", None)
        if "Content-Length" in headers:
            self.length = _length(headers["Content-Length"])
            if self.length > limits.body_bytes:
                raise too_large()
        coding = headers.pop("Transfer-Encoding", None)
        if coding is not None:
            self._check_coding(coding)
        if "Expect" in headers and self.version == HTTP_11:
            self._check_expect(headers["Expect"])
        if headers.get("Pragma") == ["no-cache"] and "Cache-Control" not in headers:
            headers["Cache-Control"] = ["no-cache"]

    def _check_coding(self, coding: list[str]) -> None:
        if self.version != HTTP_11:
            raise Refusal(400, "Transfer-Encoding needs HTTP/1.1")
        if len(coding) != 1 or coding[0].lower() != "chunked":
            raise Refusal(400, "unsupported transfer encoding")
        if self.length:
            raise Refusal(400, "Content-Length beside Transfer-Encoding")
        self.chunked = True
        self.length = None

    def _check_expect(self, expectations: list[str]) -> None:
        if any(one.lower() != "100-continue" for one in expectations):
            raise Refusal(417, "only 100-continue can be expected")
        self.expects = self.has_body


def field_count(headers: Mapping[str, list[str]]) -> int:
    """How many header lines there were."""
    return sum(map(len, headers.values()))


def head_size(headers: Mapping[str, list[str]]) -> int:
    """How many characters the header lines took, separators included."""
    return sum(len(name) + len(value) + 4 for name, values in headers.items() for value in values)


def _length(values: list[str]) -> int:
    if len(values) != 1 or not (values[0].isascii() and values[0].isdigit()):
        raise Refusal(400, "bad Content-Length")
    return int(values[0])


def _check_host(host: str) -> None:
    if _HOST.fullmatch(host) is None:
        raise Refusal(400, "malformed Host header")
    if len(_known_hosts) >= _MAX_KNOWN_HOSTS:
        _known_hosts.clear()
    if len(host) <= 255:
        _known_hosts.add(host)
