"""What a connection needs from those who take bodies and from those who answer."""

from typing import Protocol


class BodySink(Protocol):
    """Takes the body of one request piece by piece, instead of having it collected in memory."""

    def feed(self, data: bytes) -> None:
        """The next piece; raises Refusal to end the request."""
        ...

    def discard(self) -> None:
        """The request was refused or its client left before the body was whole."""
        ...


class Answerer(Protocol):
    """Who works on one request; told of its client's fate until the answer is whole."""

    def client_gone(self) -> None:
        """The connection is lost: whatever is answered now is dropped."""
        ...

    def withdraw(self) -> bool:
        """The client closed its sending side a while ago: give up if nobody started on the request; True if so."""
        ...

    def client_stalled(self) -> None:
        """The client does not read: produce no more for now."""
        ...

    def client_reads(self) -> None:
        """It reads again."""
        ...
