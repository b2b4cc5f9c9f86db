"""Which partition a job goes to."""

import itertools
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache

from rrjobs.pipeline.job import Job

Backlog = Callable[[str, int], int]
"""Records that wait to be sent, by topic and partition."""

_MASK = 0xFFFFFFFF


class Partitioner:
    """By the strategy of the pipeline; `partitions` are those of the topic, in order. Raises ValueError."""

    def __init__(self, strategy: str, backlog: Backlog) -> None:
        self._serial = itertools.count()
        self._backlog = backlog
        self._choose = {
            "Manual": self._named,
            "Uniform": self._hashed,
            "RoundRobin": self._next,
            "LeastBackup": self._idlest,
            "Sticky": self._sticky,
        }[strategy]
        self._stuck_to = 0

    def begin(self) -> None:
        """Another push begins."""
        self._stuck_to = next(self._serial)

    def partition(self, job: Job, topic: str, partitions: Sequence[int]) -> int:
        """For one job."""
        return self._choose(job, topic, partitions)

    def _named(self, job: Job, topic: str, partitions: Sequence[int]) -> int:
        wanted = int(job.options.get("partition", 0) or 0)
        if wanted not in partitions:
            raise ValueError(f"topic {topic} has no partition {wanted}, it has {len(partitions)}")
        return wanted

    def _hashed(self, job: Job, topic: str, partitions: Sequence[int]) -> int:
        if len(partitions) == 1:
            return partitions[0]
        return partitions[(murmur2(job.id.encode()) & 0x7FFFFFFF) % len(partitions)]

    def _next(self, job: Job, topic: str, partitions: Sequence[int]) -> int:
        return partitions[next(self._serial) % len(partitions)]

    def _sticky(self, job: Job, topic: str, partitions: Sequence[int]) -> int:
        return partitions[self._stuck_to % len(partitions)]

    def _idlest(self, job: Job, topic: str, partitions: Sequence[int]) -> int:
        self._stuck_to += 1
        turn = self._stuck_to % len(partitions)
        return min((*partitions[turn:], *partitions[:turn]), key=lambda one: self._backlog(topic, one))


@lru_cache(64)
def _words(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")


def murmur2(key: bytes) -> int:
    """The hash that Kafka's clients agree on, so that others find a key where we put it."""
    length = len(key)
    count = length // 4
    value = (0x9747B28C ^ length) & _MASK
    for word in _words(count).unpack_from(key):
        word = word * 0x5BD1E995 & _MASK
        word = (word ^ word >> 24) * 0x5BD1E995 & _MASK
        value = value * 0x5BD1E995 & _MASK ^ word
    rest = key[count * 4 :]
    if rest:
        value = (value ^ int.from_bytes(rest, "little")) * 0x5BD1E995 & _MASK
    value = (value ^ value >> 13) * 0x5BD1E995 & _MASK
    return value ^ value >> 15
