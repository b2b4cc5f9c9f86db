"""Bodies of type application/x-www-form-urlencoded to pairs of names and values."""

import re
from urllib.parse import unquote_to_bytes

from rrjobs.drivers.http.forms import FormError
from rrjobs.drivers.http.text import decode_text

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def read_urlencoded(body: bytes | bytearray) -> list[tuple[str, str]]:
    """The fields in order; raises FormError on a bad escape or a raw semicolon, as Go's parser does."""
    check_urlencoded(body)
    pairs = []
    for part in bytes(body).split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_plain(name), _plain(value)))
    return pairs


def check_urlencoded(data: bytes | bytearray) -> None:
    """Raise FormError where `read_urlencoded` would; for the query of a form request too, which has to be sound."""
    if b";" in data:
        raise FormError("invalid semicolon separator in query")
    bad = _BAD_ESCAPE.search(data)
    if bad is not None:
        shown = bytes(data[bad.start() : bad.start() + 3]).decode("ascii", "replace")
        raise FormError(f'invalid URL escape "{shown}"')


def _plain(raw: bytes) -> str:
    if b"%" in raw or b"+" in raw:
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    return decode_text(raw)
