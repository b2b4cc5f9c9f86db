"""What a server needs from whoever answers its requests."""

from typing import Protocol

from rrjobs.protocol.http1.answerer import BodySink
from rrjobs.protocol.http1.exchange import Exchange
from rrjobs.protocol.http1.request import Refusal


class Handler(Protocol):
    """Who answers the requests of a server."""

    def body_sink(self, exchange: Exchange) -> BodySink | None:
        """Where the body of this request goes; None has it collected. Raises Refusal."""
        ...

    def requested(self, exchange: Exchange) -> None:
        """A whole request whose turn it is: answer it now or later."""
        ...

    def refused(self, peer: str, refusal: Refusal) -> None:
        """Something came that nobody answers but the connection."""
        ...
