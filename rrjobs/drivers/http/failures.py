"""What a client reads when a worker gave no answer (spec/worker-and-http.md 5.8)."""

import html
import math

from rrjobs.protocol.http1.exchange import Exchange
from rrjobs.protocol.http1.head import ResponseHead
from rrjobs.protocol.http1.pages import text_head

_TEXT = ["text/plain; charset=utf-8"]


class FailurePages:
    """Answers instead of a worker's. `debug` tells the client the reason, HTML-escaped; else the body is empty."""

    def __init__(self, status: int, *, debug: bool) -> None:
        self._debug = debug
        typed = {"Content-Type": _TEXT} if debug else {}
        self._failed = ResponseHead(status, typed)
        self._no_workers = ResponseHead(status, {**typed, "No-Workers": ["true"]})
        self._leaving = ResponseHead(503, {"Retry-After": ["1"]})

    def leave(self, retry_after_s: float) -> None:
        """From now on `unavailable` tells clients when to come back."""
        self._leaving = ResponseHead(503, {"Retry-After": [str(max(1, math.ceil(retry_after_s)))]})

    def failed(self, exchange: Exchange, reason: str) -> None:
        """The worker failed, or the queue is full."""
        exchange.answer(self._failed, self._body(reason))

    def no_workers(self, exchange: Exchange, reason: str) -> None:
        """No worker was free in time."""
        exchange.answer(self._no_workers, self._body(reason))

    def overloaded(self, exchange: Exchange, retry_after_s: int, reason: str) -> None:
        """Others wait too long already."""
        headers = {"Retry-After": [str(retry_after_s)]} | ({"Content-Type": _TEXT} if self._debug else {})
        exchange.answer(ResponseHead(503, headers), self._body(reason))

    def unavailable(self, exchange: Exchange) -> None:
        """The server is about to stop, or paused."""
        exchange.answer(self._leaving)

    @staticmethod
    def text(exchange: Exchange, status: int, text: str) -> None:
        """A plain text page."""
        exchange.answer(text_head(status), text.encode("utf-8", "replace"))

    def _body(self, reason: str) -> bytes:
        return html.escape(reason).encode("utf-8", "replace") if self._debug else b""
