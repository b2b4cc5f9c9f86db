"""A job: what somebody pushed."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

Headers = Mapping[str, Sequence[str]]
NO_HEADERS: Headers = MappingProxyType({})
"""Shared by all jobs without headers, so that a million of them cost nothing for it."""

MAX_DELAY_S = 100 * 365 * 86_400
"""Of a job: what is more is a mistake, milliseconds for seconds. Every broker can still count it; beanstalkd's clock
ends at 136 years, that of NATS at 292."""

Options = Mapping[str, str | int]
NO_OPTIONS: Options = MappingProxyType({})


class Job:
    """One pushed job. Made once per push on the hot path, hence a plain class; treat it as immutable.

    `priority` 0 means "the pipeline's"; the registry fills it in before a driver sees the job.
    `pushed_at` is unix time in seconds, 0 when nobody knows.
    `entry` is the number under which a store keeps it, and not there without one.
    `options` holds what only one broker understands (kafka: topic, partition, offset, metadata) for that driver alone.
    """

    __slots__ = (
        "auto_ack",
        "delay_s",
        "entry",
        "headers",
        "id",
        "name",
        "options",
        "payload",
        "pipeline",
        "priority",
        "pushed_at",
    )

    entry: int

    def __init__(
        self,
        id: str,
        name: str,
        payload: bytes,
        pipeline: str,
        priority: int = 0,
        delay_s: float = 0.0,
        auto_ack: bool = False,
        headers: Headers = NO_HEADERS,
        options: Options = NO_OPTIONS,
    ) -> None:
        self.id = id
        self.name = name
        self.payload = payload
        self.pipeline = pipeline
        self.priority = priority
        self.delay_s = delay_s
        self.auto_ack = auto_ack
        self.headers = headers
        self.options = options
        self.pushed_at = 0.0

    def again(self, delay_s: float, headers: Headers) -> "Job":
        """A copy for a requeue: headers merged key by key over the job's own, the delay replaced."""
        merged = {**self.headers, **headers} if headers else self.headers
        copy = Job(
            self.id, self.name, self.payload, self.pipeline, self.priority, delay_s, self.auto_ack, merged, self.options
        )
        copy.pushed_at = self.pushed_at
        return copy

    def __repr__(self) -> str:
        return f"Job(id={self.id!r}, name={self.name!r}, pipeline={self.pipeline!r}, priority={self.priority})"
