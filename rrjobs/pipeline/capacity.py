"""How many deliveries may wait in all lanes together."""

from collections import deque
from collections.abc import Callable


class Capacity:
    """How many wait, and who waits for room."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.waiting = 0
        self.wakers: deque[Callable[[], None]] = deque()

    def ask(self, wake: Callable[[], None]) -> None:
        """Call once when there is room."""
        self.wakers.append(wake)

    def release(self) -> None:
        """Some left the queue: wake who fits."""
        for _ in range(min(len(self.wakers), self.limit - self.waiting)):
            self.wakers.popleft()()
