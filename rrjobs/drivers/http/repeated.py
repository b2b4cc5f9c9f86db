"""What was made of a request that comes again and again: it is kept with the request."""

from rrjobs.drivers.http.target import Target

MAX_FRAMES = 4
"""Clients for whom the frame of one request is kept."""


class Repeated:
    """Where the request goes, its kind, and its frames by the addresses of clients."""

    __slots__ = ("frames", "kind", "target")

    def __init__(self, target: Target, kind: str) -> None:
        self.target = target
        self.kind = kind
        self.frames: dict[str, bytes] = {}

    def keep(self, peer: str, frame: bytes) -> None:
        """This client's frame, from now on."""
        if len(self.frames) >= MAX_FRAMES:
            self.frames.clear()
        self.frames[peer] = frame
