"""The `Date` header line, made once a second."""

from email.utils import formatdate
from time import time

_from = _until = 0.0
_line = b""


def date_line() -> bytes:
    """The line of this second, line end included."""
    return _line if _from <= time() < _until else _renewed()


def _renewed() -> bytes:
    global _from, _until, _line
    second = int(time())
    _from, _until = float(second), second + 1.0
    _line = f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
    return _line
