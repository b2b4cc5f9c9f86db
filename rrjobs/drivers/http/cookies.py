"""The `Cookie` header taken apart as PHP programs on RoadRunner know it."""

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from rrjobs.drivers.http.text import decode_text, raw_bytes
from rrjobs.protocol.http1.names import TOKEN

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BAD_VALUE = re.compile('[\x00-\x1f\x7f";\\\\]')


def read_cookies(lines: Sequence[str]) -> dict[str, str]:
    """Names to unescaped values; the last of equal names wins, what is no cookie or cannot be unescaped is dropped."""
    cookies: dict[str, str] = {}
    for line in lines:
        for part in line.split(";"):
            name, separator, value = part.strip().partition("=")
            if separator and TOKEN.fullmatch(name):
                plain = _unescape(value)
                if plain is not None:
                    cookies[name] = plain
    return cookies


def _unescape(value: str) -> str | None:
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    if _BAD_VALUE.search(value) or _BAD_ESCAPE.search(value):
        return None
    if "%" not in value and "+" not in value:
        return value
    return decode_text(unquote_to_bytes(raw_bytes(value.replace("+", " "))))
