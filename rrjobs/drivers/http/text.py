"""Text of clients that need not be UTF-8: how it is carried, and how it is made fit for JSON."""

import codecs
import re

_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def _replace_each(err: UnicodeError) -> tuple[str, int]:
    assert isinstance(err, UnicodeDecodeError)
    return _REPLACEMENT * (err.end - err.start), err.end


codecs.register_error("rrjobs.replace_each", _replace_each)


def decode_text(raw: bytes) -> str:
    """UTF-8, with one U+FFFD for each byte that is none, as Go's JSON encoder does it."""
    return raw.decode("utf-8", "rrjobs.replace_each")


def cleaned(text: str) -> str:
    """The same for text that carries its foreign bytes as lone surrogates; PHP refuses those in JSON."""
    return _SURROGATE.sub(_REPLACEMENT, text)


def raw_bytes(text: str) -> bytes:
    """The bytes such text came from."""
    return text.encode("utf-8", "surrogateescape")
