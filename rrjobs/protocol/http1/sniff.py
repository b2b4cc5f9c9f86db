"""The type of a body that has no Content-Type, as Go's net/http and browsers see it (WHATWG MIME Sniffing)."""

import re

SNIFF_BYTES = 512
TEXT = b"text/plain; charset=utf-8"
BINARY = b"application/octet-stream"

_SPACE = b"\t\n\x0c\r "
_BINARY_BYTES = bytes((*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)))
_HTML = re.compile(
    rb"<(?:!DOCTYPE HTML|HTML|HEAD|SCRIPT|IFRAME|H1|DIV|FONT|TABLE|A|STYLE|TITLE|B|BODY|BR|P|!--)[ >]", re.IGNORECASE
)
_MAGIC: tuple[tuple[bytes, bytes], ...] = (
    (b"%PDF-", b"application/pdf"),
    (b"%!PS-Adobe-", b"application/postscript"),
    (b"\xfe\xff", b"text/plain; charset=utf-16be"),
    (b"\xff\xfe", b"text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf", TEXT),
    (b"\x00\x00\x01\x00", b"image/x-icon"),
    (b"\x00\x00\x02\x00", b"image/x-icon"),
    (b"BM", b"image/bmp"),
    (b"GIF87a", b"image/gif"),
    (b"GIF89a", b"image/gif"),
    (b"\x89PNG\r\n\x1a\n", b"image/png"),
    (b"\xff\xd8\xff", b"image/jpeg"),
    (b"OggS\x00", b"application/ogg"),
    (b".snd", b"audio/basic"),
    (b"MThd\x00\x00\x00\x06", b"audio/midi"),
    (b"ID3", b"audio/mpeg"),
    (b"\x1aE\xdf\xa3", b"video/webm"),
    (b"\x00\x01\x00\x00", b"font/ttf"),
    (b"OTTO", b"font/otf"),
    (b"ttcf", b"font/collection"),
    (b"wOFF", b"font/woff"),
    (b"wOF2", b"font/woff2"),
    (b"\x1f\x8b\x08", b"application/x-gzip"),
    (b"PK\x03\x04", b"application/zip"),
    (b"Rar!\x1a\x07\x00", b"application/x-rar-compressed"),
    (b"Rar!\x1a\x07\x01\x00", b"application/x-rar-compressed"),
    (b"\x00asm", b"application/wasm"),
)
_FORMS: tuple[tuple[bytes, bytes, bytes], ...] = (
    (b"RIFF", b"WEBPVP", b"image/webp"),
    (b"FORM", b"AIFF", b"audio/aiff"),
    (b"RIFF", b"AVI ", b"video/avi"),
    (b"RIFF", b"WAVE", b"audio/wave"),
)
_MAGIC_FIRST = frozenset(magic[0] for magic, _ in _MAGIC) | frozenset(b"RF")
_OPENTYPE_OFFSET = 34


def sniff(body: bytes) -> bytes:
    """A content type for the beginning of a non-empty body."""
    head = body[:SNIFF_BYTES]
    first = head.lstrip(_SPACE)
    if first.startswith(b"<"):
        if _HTML.match(first):
            return b"text/html; charset=utf-8"
        if first.startswith(b"<?xml"):
            return b"text/xml; charset=utf-8"
    if head[0] in _MAGIC_FIRST:
        found = _by_magic(head)
        if found:
            return found
    found = _by_position(head) if b"\0" in head else b""
    if found:
        return found
    return TEXT if len(head.translate(None, _BINARY_BYTES)) == len(head) else BINARY


def _by_magic(head: bytes) -> bytes:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    for magic, form, kind in _FORMS:
        if head.startswith(magic) and head.startswith(form, 8):
            return kind
    return b""


def _by_position(head: bytes) -> bytes:
    if head.startswith(b"LP", _OPENTYPE_OFFSET):
        return b"application/vnd.ms-fontobject"
    return b"video/mp4" if _is_mp4(head) else b""


def _is_mp4(head: bytes) -> bool:
    if len(head) < 12:
        return False
    size = int.from_bytes(head[:4], "big")
    if size % 4 or len(head) < size or head[4:8] != b"ftyp":
        return False
    return any(head[at : at + 3] == b"mp4" for at in range(8, size, 4) if at != 12)
