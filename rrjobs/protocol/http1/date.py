"""The `Date` header line, made once a second."""

from email.utils import formatdate
from time import time

_second = 0
_line = b""


def date_line() -> bytes:
    """The line of this second, line end included."""
    global _second, _line
    now = int(time())
    if now != _second:
        _line = f"Date: {formatdate(now, usegmt=True)}\r\n".encode()
        _second = now
    return _line
