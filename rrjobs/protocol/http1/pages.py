"""The short texts that stand in for an answer."""

from functools import lru_cache

from rrjobs.protocol.http1.head import ResponseHead
from rrjobs.protocol.http1.request import Refusal

_TEXT = {"Content-Type": ["text/plain; charset=utf-8"]}


@lru_cache(maxsize=64)
def text_head(status: int, retry_after_s: int = 0) -> ResponseHead:
    """The head of a plain text page."""
    return ResponseHead(status, _TEXT | ({"Retry-After": [str(retry_after_s)]} if retry_after_s else {}))


def refusal_page(refusal: Refusal) -> tuple[ResponseHead, bytes]:
    """What a client reads that sent something unacceptable."""
    return text_head(refusal.status, refusal.retry_after_s), refusal.page.encode("utf-8", "replace")
