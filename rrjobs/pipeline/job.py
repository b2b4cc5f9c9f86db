"""A job: what somebody pushed."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

Headers = Mapping[str, Sequence[str]]
NO_HEADERS: Headers = MappingProxyType({})
"""Shared by all jobs without headers, so that a million of them cost nothing for it."""

NO_OPTIONS: Mapping[str, str | int] = MappingProxyType({})


class Job:
    """One pushed job. Made once per push on the hot path, hence a plain class; treat it as immutable.

    `priority` 0 means "the pipeline's"; the registry fills it in before a driver sees the job.
    `options` holds what only one broker understands (kafka: topic, partition, offset, metadata) for that driver alone.
    """

    __slots__ = ("auto_ack", "delay_s", "headers", "id", "name", "options", "payload", "pipeline", "priority")

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
        options: Mapping[str, str | int] = NO_OPTIONS,
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

    def again(self, delay_s: float, headers: Headers) -> "Job":
        """A copy for a requeue: headers merged key by key over the job's own, the delay replaced."""
        merged = {**self.headers, **headers} if headers else self.headers
        return Job(
            self.id, self.name, self.payload, self.pipeline, self.priority, delay_s, self.auto_ack, merged, self.options
        )

    def __repr__(self) -> str:
        return f"Job(id={self.id!r}, name={self.name!r}, pipeline={self.pipeline!r}, priority={self.priority})"
