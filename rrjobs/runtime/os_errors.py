"""Why a connection could not be made, in plain words: without numbers of errors and names of classes."""

import os
import re
import socket
import ssl

_NUMBER = re.compile(r"\[Errno -?\d+\] ")
_NO_TLS = "what answers there speaks no TLS"
_EACH = re.compile(r"Connect call failed|\[Errno (\d+)\]")


def plain_reason(err: OSError) -> str:
    """One of several addresses stands for all of them. Never empty."""
    if isinstance(err, ssl.SSLError):
        reason = str(getattr(err, "verify_message", "") or err.reason or err).replace("_", " ").lower()
        return f"{_NO_TLS} ({reason})" if err.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE") else reason
    if isinstance(err, socket.gaierror):
        return "there is no such host" if err.errno == socket.EAI_NONAME else _said(err)
    if isinstance(err.errno, int):
        return os.strerror(err.errno).lower()
    if (found := _EACH.search(str(err))) and found[1]:
        return os.strerror(int(found[1])).lower()
    return _said(err)


def _said(err: OSError) -> str:
    text = _NUMBER.sub("", str(err)).strip()
    return text or ("the connection was closed" if isinstance(err, ConnectionError) else type(err).__name__)
