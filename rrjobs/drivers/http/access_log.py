"""One record per answered request (spec/worker-and-http.md 6.3)."""

import time
from collections.abc import Mapping

from rrjobs.drivers.http.text import cleaned
from rrjobs.protocol.http1.exchange import Exchange
from rrjobs.runtime.events import Events

CLIENT_GONE = 499
"""What is logged as the status of an answer that nobody waited for."""


class AccessLog:
    """Emits `http.request`; `wanted` says whether anybody listens, and is asked once."""

    def __init__(self, events: Events, *, long: bool) -> None:
        self._events = events
        self._long = long
        self.wanted = events.wants("http.request")

    def record(self, exchange: Exchange, remote: str, ident: str, started_at: float) -> None:
        """`started_at` by the monotonic clock."""
        request = exchange.request
        elapsed_s = time.monotonic() - started_at
        start = time.time() - elapsed_s
        target = _line(request.target)
        fields: dict[str, object] = {
            "id": ident,
            "status": exchange.status or CLIENT_GONE,
            "method": request.method,
            "URI": target,
            "URL": target,
            "remote_address": remote,
            "read_bytes": request.received_bytes,
            "write_bytes": exchange.sent_bytes,
            "start": start,
            "elapsed_ms": round(elapsed_s * 1000, 3),
        }
        if self._long:
            fields |= _long_fields(exchange, start)
        self._events.emit("http.request", None, **fields)


def _long_fields(exchange: Exchange, start: float) -> Mapping[str, object]:
    request = exchange.request
    headers = request.headers
    return {
        "query": _line(request.target.partition("?")[2]),
        "content_len": request.length if request.length is not None else -1,
        "host": request.host,
        "user_agent": _line(headers.get("User-Agent", [""])[0]),
        "referer": _line(headers.get("Referer", [""])[0]),
        "time_local": time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(start)),
        "request_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start)),
    }


def _line(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return cleaned(text).replace("\r", "").replace("\n", "")
