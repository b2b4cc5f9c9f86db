"""What bodies of requests take in memory, over all connections: from their first byte until their request is over."""

from rrjobs.protocol.http1.request import Refusal, Request, too_large

SMALL_BYTES = 64 * 1024
"""Bodies up to this size still find room when bigger ones find none: uploads must not shut out everybody else."""

RETRY_AFTER_S = 1


class BodyRoom:
    """`limit_bytes` for all bodies together, and an eighth of it more for small ones. `held` is taken now."""

    __slots__ = ("_for_small", "_limit_bytes", "held")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._for_small = limit_bytes + limit_bytes // 8
        self.held = 0

    def expect(self, request: Request) -> None:
        """A body of a known length is about to come. Raises Refusal before it is sent."""
        size = request.length or 0
        if size > self._limit_bytes:
            raise too_large()
        if size > SMALL_BYTES and self.held + size > self._limit_bytes:
            raise _full()

    def take(self, had: int, more: int) -> None:
        """So much more of a body of which `had` bytes are here. Raises Refusal, and nothing was taken."""
        held = self.held + more
        if held > self._limit_bytes:
            size = had + more
            if size > self._limit_bytes:
                raise too_large()
            if size > SMALL_BYTES or held > self._for_small:
                raise _full()
        self.held = held

    def give_back(self, size: int) -> None:
        """A request is over."""
        self.held -= size


def _full() -> Refusal:
    return Refusal(503, "bodies of other requests fill the memory that is for them", retry_after_s=RETRY_AFTER_S)
