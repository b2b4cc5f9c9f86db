"""The head of one part of a multipart form."""

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from rrjobs.drivers.http.text import decode_text

_PARAMETER = re.compile(rb';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)
_ESCAPED = re.compile(rb'\\(["\\])')
_DIRECTORY = re.compile(r".*[/\\]", re.DOTALL)
_MAX_BOUNDARY_BYTES = 256


class PartHead(NamedTuple):
    """`name` is None for a part that is no field of a form; `filename` is empty for a plain field."""

    name: str | None
    filename: str
    mime: str


def read_part_head(block: bytes) -> PartHead:
    """From header lines, without the empty one behind them."""
    name: str | None = None
    filename = mime = ""
    for line in block.split(b"\r\n"):
        key, _, value = line.partition(b":")
        key = key.strip().lower()
        if key == b"content-disposition":
            kind, parameters = _parameters(value)
            if kind == b"form-data" and b"name" in parameters:
                name = decode_text(parameters[b"name"])
                filename = _filename(parameters)
        elif key == b"content-type":
            mime = decode_text(value.strip())
    return PartHead(name, filename, mime)


def read_boundary(content_type: str) -> bytes | None:
    """The boundary of a multipart content type; None if it has no usable one."""
    boundary = _parameters(content_type.encode("utf-8", "surrogateescape"))[1].get(b"boundary", b"")
    return boundary if 0 < len(boundary) <= _MAX_BOUNDARY_BYTES and b"\r" not in boundary else None


def _parameters(value: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    kind, separator, rest = value.partition(b";")
    found = _PARAMETER.findall(separator + rest)
    return kind.strip().lower(), {key.lower(): _unquote(text) for key, text in found}


def _unquote(text: bytes) -> bytes:
    text = text.strip()
    if len(text) > 1 and text[:1] == text[-1:] == b'"':
        return _ESCAPED.sub(rb"\1", text[1:-1])
    return text


def _filename(parameters: dict[bytes, bytes]) -> str:
    extended = parameters.get(b"filename*", b"")
    charset, _, quoted = extended.partition(b"'")
    if charset.lower() == b"utf-8":
        name = unquote_to_bytes(quoted.partition(b"'")[2])
    else:
        name = parameters.get(b"filename", b"")
    return _DIRECTORY.sub("", decode_text(name))
