"""Response heads: status line and header lines, cleaned, ready to be written any number of times."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from rrjobs.protocol.http1.names import TOKEN, canonical_text

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_UNCLEAN = {ord("\r"): " ", ord("\n"): " ", ord("\0"): " "}
_OWN = frozenset(("Connection", "Content-Length", "Transfer-Encoding"))
"""What frames a message: written by us alone, and never behind the body, where a proxy might believe it."""

_MAX_NAMES = 2048
_names: dict[str, str] = {}


class ResponseHead:
    """One final or interim head. `lines` are the status line and headers, without framing, `Date` and the empty line.

    `length` is the worker's own Content-Length, `simple` says that an answer with this head needs no special care.
    """

    __slots__ = ("bodyless", "closes", "dated", "length", "lines", "simple", "sniffs", "status", "trailers")

    def __init__(self, status: int, headers: Mapping[str, Sequence[str]]) -> None:
        """`headers` have any case; raises TypeError when a value is not a list of strings."""
        self.status = status
        self.bodyless = status < 200 or status in (204, 304)
        self.length: int | None = None
        self.closes = False
        self.trailers: list[tuple[str, str]] = []
        if "Trailer" in headers:
            headers = self._part_trailers(headers)
        pairs = [pair for name in headers for pair in _clean(name, headers[name])]
        names = {name for name, _ in pairs}
        if not names.isdisjoint(_OWN):
            pairs = self._without_own(pairs)
        if status == 304:
            pairs = [(name, value) for name, value in pairs if name != "Content-Type"]
        self.dated = "Date" in names
        self.sniffs = not self.bodyless and "Content-Type" not in names and "Content-Encoding" not in names
        self.lines = _status_line(status) + header_lines(pairs)
        self.simple = not (self.bodyless or self.closes or self.dated or self.trailers) and self.length is None

    def _part_trailers(self, headers: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
        left = dict(headers)
        for listed in _values("Trailer", left.pop("Trailer")):
            for name in (part.strip("\t ") for part in listed.split(",")):
                if name in left and name.title() not in _OWN:
                    self.trailers += _clean(name, left.pop(name))
        return left

    def _without_own(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        for name, value in pairs:
            if name == "Content-Length" and value.isascii() and value.isdigit():
                self.length = int(value)
            elif name == "Connection" and "close" in (part.strip().lower() for part in value.split(",")):
                self.closes = True
        return [pair for pair in pairs if pair[0] not in _OWN]


def header_lines(pairs: Iterable[tuple[str, str]]) -> bytes:
    """`Name: value` lines of cleaned pairs."""
    return "".join(f"{name}: {value}\r\n" for name, value in pairs).encode("utf-8", "surrogateescape")


def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {_REASONS.get(status, f'status code {status}')}\r\n".encode()


def _clean(name: str, values: Sequence[str]) -> list[tuple[str, str]]:
    """Canonical name, values without line ends; none at all for a name that is no token."""
    known = _names.get(name) or _remember(name)
    if not known:
        return []
    return [(known, value.translate(_UNCLEAN).strip(" \t")) for value in _values(name, values)]


def _values(name: str, values: Sequence[str]) -> Sequence[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"header {name!r} is not a list of strings")
    return values


def _remember(name: str) -> str:
    known = canonical_text(name) if TOKEN.fullmatch(name) else ""
    if len(_names) >= _MAX_NAMES:
        _names.clear()
    _names[name] = known
    return known
