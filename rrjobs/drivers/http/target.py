"""The request target: the absolute URI that PHP sees, the path and the query."""

import re
from typing import NamedTuple

_PLAIN_PATH = re.compile(r"/[A-Za-z0-9$&'()*+,;=:@!._~/\[\]-]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPED = re.compile(r"[^A-Za-z0-9$&'()*+,;=:@!._~/\[\]%-]")
_ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/?]*)([^?]*)(?:\?(.*))?", re.DOTALL)


_MAX_KNOWN = 2048
_MAX_KNOWN_LENGTH = 256
_known: dict[tuple[str, str], "Target"] = {}
"""Targets seen before: most requests go to few of them. Bounded, since clients choose what is in it."""


class Target(NamedTuple):
    """`uri` is absolute; `path` is the part before the query, `query` that behind the question mark, undecoded."""

    uri: str
    path: str
    query: str


def read_target(target: str, host: str) -> Target:
    """Take a target in origin or absolute form apart; raises ValueError on one that is no URL."""
    key = (host, target)
    known = _known.get(key)
    if known is None:
        known = _read(target, host)
        if len(target) + len(host) <= _MAX_KNOWN_LENGTH:
            if len(_known) >= _MAX_KNOWN:
                _known.clear()
            _known[key] = known
    return known


def _read(target: str, host: str) -> Target:
    path, mark, query = target.partition("?")
    if _PLAIN_PATH.fullmatch(path):
        return Target(f"http://{host}{target}", path, query)
    if not target.startswith("/"):
        return _absolute(target)
    return Target(f"http://{host}{_escape(path)}{mark}{query}", path, query)


def _absolute(target: str) -> Target:
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise ValueError("the request target is neither a path nor a URL")
    origin, path, query = match.groups()
    mark = "" if query is None else f"?{query}"
    return Target(f"{origin}{_escape(path)}{mark}", path or "/", query or "")


def _escape(path: str) -> str:
    """The path as a URL may hold it: what is not allowed in one is escaped, what is escaped stays so."""
    if _BAD_ESCAPE.search(path):
        raise ValueError("invalid URL escape in the request target")
    return _ESCAPED.sub(lambda sign: f"%{ord(sign[0]):02X}", path)
