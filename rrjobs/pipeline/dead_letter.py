"""Dead letters: jobs that failed for good, with all that is known about why, and what a driver does with them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from rrjobs.pipeline.job import NO_HEADERS, NO_OPTIONS, Headers, Job, Options


class Death(StrEnum):
    """Why a job is not run again."""

    ATTEMPTS = "attempts"  # max_attempts, or without a retry policy max_crashes runs that failed
    CRASHES = "crashes"  # it took max_crashes workers down
    TOO_LATE = "too_late"  # the next run would have begun after retry_for
    INTERRUPTED = "interrupted"  # MAX_INTERRUPTIONS servers died while a worker had it
    GIVEN_UP = "given_up"  # the program said that another run is of no use
    AUTO_ACK = "auto_ack"  # it runs at most once, and that run failed
    MALFORMED = "malformed"  # the answer says nothing, and no policy asks for another run
    UNDECODABLE = "undecodable"  # a broker's message that cannot be read as a job
    REFUSED = "refused"  # one worker after the other asked to be stopped instead


FOREIGN = "foreign"
"""The reason of a letter in a broker's dead-letter queue that somebody else put there."""

REASONS: tuple[str, ...] = (*Death, FOREIGN)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One job as it was when it failed for good.

    `key` is the letter's own, unlike the job's `id`, which two letters may share. `error` is what the last execution
    said, `output` the tail of what its worker printed. Times are unix seconds: of the push, 0 when unknown, and of the
    last failure.
    """

    key: str
    id: str
    pipeline: str
    name: str
    payload: bytes
    headers: Headers
    attempts: int
    crashes: int
    reason: str
    error: str = ""
    exit_code: int | None = None
    signal: int | None = None
    output: str = ""
    pushed_at: float = 0.0
    died_at: float = 0.0
    pid: int = 0
    priority: int = 0
    auto_ack: bool = False
    options: Options = field(default_factory=lambda: NO_OPTIONS)

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory."""
        headers = sum(len(name) + sum(map(len, values)) for name, values in self.headers.items())
        return _OVERHEAD_BYTES + len(self.payload) + len(self.output) + len(self.error) + headers

    def job(self) -> Job:
        """The job as it is pushed once more: it begins at the first attempt."""
        headers = self.headers or NO_HEADERS
        return Job(
            self.id, self.name, self.payload, self.pipeline, self.priority, 0.0, self.auto_ack, headers, self.options
        )


_OVERHEAD_BYTES = 600


@dataclass(frozen=True, slots=True)
class Limits:
    """What a pipeline keeps; `max_age_s` 0 is for ever."""

    max_letters: int = 10_000
    max_bytes: int = 64 * 2**20
    max_age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters; empty means all. `keys` are keys of letters or ids of jobs; ages are of the death, in seconds."""

    keys: Collection[str] = ()
    names: Collection[str] = ()
    reasons: Collection[str] = ()
    older_s: float | None = None
    younger_s: float | None = None

    def has(self, letter: DeadLetter, now: float) -> bool:
        """Whether this is one of them."""
        age_s = now - letter.died_at
        return (
            (not self.keys or letter.key in self.keys or letter.id in self.keys)
            and (not self.names or letter.name in self.names)
            and (not self.reasons or letter.reason in self.reasons)
            and (self.older_s is None or age_s >= self.older_s)
            and (self.younger_s is None or age_s <= self.younger_s)
        )


ALL = Wanted()


@dataclass(frozen=True, slots=True)
class LetterCounts:
    """`held` letters of `held_bytes`; `lost` were pushed out by the limits since the start."""

    held: int
    held_bytes: int
    lost: int


class DeadLetters(Protocol):
    """Where one pipeline's letters are; every driver of a queue has one. `limits` is set before the driver runs."""

    limits: Limits

    async def counts(self) -> LetterCounts:
        """Of this moment."""
        ...

    async def letters(self, wanted: Wanted, limit: int) -> Sequence[DeadLetter]:
        """The oldest `limit` of those that are wanted."""
        ...

    async def replay(self, keys: Sequence[str]) -> Sequence[str]:
        """Push the jobs once more, each accepted before its letter is gone; for each key "" or why it was not.

        Raises DriverError when the broker takes none.
        """
        ...

    async def drop(self, keys: Sequence[str]) -> Sequence[str]:
        """Forget letters; for each key "" or why there was nothing to forget."""
        ...
