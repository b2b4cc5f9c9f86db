"""Which values are secrets, and how they are shown without being told."""

import re

HIDDEN = "***"

_SECRET = re.compile(
    r"passw(or)?d|passphrase|secret|token|credential|sasl|private|(^|[._-])(pass|pwd|dsn|auth|key|nonce)($|[._-])"
    r"|(api|app|access|session|encryption|signing)_?key",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"(^|[._])((routing|ordering|concurrency)_key|rate\.key|is_token)$")
"""Names that sound like secrets, and are not."""

_USER_INFO = re.compile(r"(?<=://)([^/@:\s]*):([^@\s]+)@")


def is_secret(key: str) -> bool:
    """Whether the last part of a dotted key names something that must not be shown."""
    return _SECRET.search(key.rpartition(".")[2]) is not None and _PLAIN.search(key) is None


def masked(key: str, text: str) -> str:
    """The text of a value, hidden when its key names a secret; passwords in addresses are always hidden."""
    if text and is_secret(key):
        return HIDDEN
    return _USER_INFO.sub(rf"\1:{HIDDEN}@", text)


def mask_text(key: str, text: str, value: object) -> str:
    """An error message that may quote the value, without it where the key names a secret."""
    if is_secret(key) and isinstance(value, str | int | float) and str(value):
        return text.replace(repr(value), HIDDEN).replace(str(value), HIDDEN)
    return text
