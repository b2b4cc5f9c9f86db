"""Messages that were settled, in case the broker forgets it: RabbitMQ writes acks to disk some time after it got them.

When it crashes in between, what was acked is in the queue again, and says nothing about it.
"""

MOST = 40_000
"""Identities kept; RabbitMQ holds back at most about 32,768 entries of a queue's journal."""


class Done:
    """Outlives connections. Only identities that name one message are kept."""

    def __init__(self) -> None:
        self._settled: dict[str, None] = {}
        self._before: dict[str, None] = {}

    def add(self, identity: str) -> None:
        """It is settled on the connection that there is."""
        self._settled[identity] = None
        if len(self._settled) > MOST:
            del self._settled[next(iter(self._settled))]

    def connected(self) -> None:
        """What was settled before may come again from now on."""
        self._before |= self._settled
        self._settled = {}
        for identity in list(self._before)[: max(0, len(self._before) - MOST)]:
            del self._before[identity]

    def knows(self, identity: str) -> bool:
        """Whether it was settled on an earlier connection."""
        return identity in self._before
