"""The bounds on what one client can make a server hold or wait for."""

from dataclasses import dataclass

MAX_BODY_BYTES = 1000 * 1024 * 1024
LINGER_S = 2.0
"""How long a refused client may go on sending, so that it reads our answer before the connection is reset."""

HALF_CLOSED_S = 1.0
"""How long a request waits for a worker after its client closed its sending side; then the client counts as gone."""

BODY_PROGRESS_BYTES = 1024
"""What a body must gain in each `body_timeout_s`, so that one byte a minute does not hold a connection for ever."""

FEED_BYTES = 16_384
"""Heads are parsed in pieces of this size, so that one read full of tiny requests cannot outrun `max_pipelined`."""

MIN_FIELD_BYTES = 4
"""What a header line takes at least."""

CHUNK_OVERHEAD_BYTES = 16_384
"""Framing of a chunked body that is free; beyond it each chunk may have 16 bytes, each body byte 2."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds; what happens beyond each is in docs/http.md."""

    header_bytes: int = 1_048_576
    line_bytes: int = 65_536
    headers: int = 1000
    body_bytes: int = MAX_BODY_BYTES
    all_bodies_bytes: int = 1024 * 1024 * 1024
    header_timeout_s: float = 30.0
    body_timeout_s: float = 60.0
    write_timeout_s: float = 300.0
    idle_timeout_s: float = 900.0
    max_connections: int = 10_000
    max_pipelined: int = 16

    @property
    def tick_s(self) -> float:
        """How often the times are looked at: a quarter of the shortest, between 10 ms and a second."""
        shortest = min(
            self.header_timeout_s, self.body_timeout_s, self.write_timeout_s, self.idle_timeout_s, HALF_CLOSED_S * 4
        )
        return min(max(shortest / 4, 0.01), 1.0)
