"""Header names in canonical case: `x-foo` is `X-Foo`; a name that is no token stays as it is."""

import re

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_MAX_KNOWN = 2048
_MAX_KNOWN_LENGTH = 64

KNOWN: dict[bytes, str] = {}
"""Names seen before, by their raw bytes. Bounded: clients choose what is in it."""


def canonical_name(raw: bytes) -> str:
    """The canonical name; look into `KNOWN` first on a hot path."""
    name = canonical_text(raw.decode("utf-8", "surrogateescape"))
    if len(raw) <= _MAX_KNOWN_LENGTH:
        if len(KNOWN) >= _MAX_KNOWN:
            KNOWN.clear()
        KNOWN[raw] = name
    return name


def canonical_text(name: str) -> str:
    """Upper case at the start and after each `-`, lower case elsewhere, ASCII only."""
    if TOKEN.fullmatch(name) is None:
        return name
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))
