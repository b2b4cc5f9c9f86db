"""Streams and consumers of a pipeline: made where they are missing, widened where they lack a subject, never narrowed.

The consumer is durable and shared: two servers with one pipeline share its jobs, and a restart goes on where the last
run ended. RoadRunner makes a new one at every start, which begins with all that the stream still holds.
"""

import re
from collections.abc import Sequence

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from rrjobs.drivers.nats.config import NatsConfig
from rrjobs.errors import BrokerRefused, BrokerUnreachable, DriverError

DELAYED = "_rrdelayed"
DEAD = "_rrdead"
LOOK_S = 5.0
"""How long a job that waits may be looked at. One that was handed to a link that broke is looked at again after it."""


class Names:
    """All that a pipeline has in NATS."""

    def __init__(self, config: NatsConfig) -> None:
        self.stream = config.stream
        self.subject = config.subject
        self.delayed = f"{DELAYED}.{config.stream}.{config.subject}"
        self.dead_stream = f"{config.stream}-dead"
        self.dead = f"{DEAD}.{config.stream}.{config.subject}"
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", config.subject)
        self.consumer = f"rrjobs_{plain}"
        self.delayed_consumer = f"rrjobs_delayed_{plain}"


class Streams:
    """Sets up what is missing; every call raises DriverError with what NATS said."""

    def __init__(self, js: JetStreamContext, names: Names, config: NatsConfig, place: str) -> None:
        self._js = js
        self._names = names
        self._config = config
        self._place = place

    async def prepare(self) -> None:
        """The stream of the jobs, and its consumers."""
        names = self._names
        await self._stream(names.stream, [names.subject, names.delayed])
        policy = DeliverPolicy.NEW if self._config.deliver_new else DeliverPolicy.ALL
        ack_wait_s = self._config.ack_wait_s
        await self._consumer(names.consumer, names.subject, policy, ack_wait_s)
        await self._consumer(names.delayed_consumer, names.delayed, DeliverPolicy.ALL, min(ack_wait_s, LOOK_S))

    async def prepare_dead(self) -> None:
        """The stream of the dead letters."""
        await self._stream(self._names.dead_stream, [self._names.dead])

    async def _stream(self, name: str, subjects: Sequence[str]) -> None:
        try:
            config = (await self._js.stream_info(name)).config
            there = config.subjects or []
            missing = [one for one in subjects if not any(covers(pattern, one) for pattern in there)]
            if missing:
                await self._js.update_stream(config.evolve(subjects=[*there, *missing]))
        except NotFoundError:
            await self._new_stream(name, subjects)
        except (NatsError, APIError, TimeoutError) as err:
            raise self._error(f"stream {name}", err) from err

    async def _new_stream(self, name: str, subjects: Sequence[str]) -> None:
        config = StreamConfig(
            name=name, subjects=list(subjects), storage=StorageType.FILE, retention=RetentionPolicy.LIMITS
        )
        try:
            await self._js.add_stream(config)
        except (NatsError, APIError, TimeoutError) as err:
            raise self._error(f"stream {name}", err) from err

    async def _consumer(self, name: str, subject: str, policy: DeliverPolicy, ack_wait_s: float) -> None:
        config = ConsumerConfig(
            durable_name=name,
            filter_subject=subject,
            deliver_policy=policy,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_wait_s,
            max_ack_pending=-1,
        )
        try:
            there = await self._there(name)
            if there is not None:  # where it began is not for us to say any more
                config = config.evolve(
                    deliver_policy=there.deliver_policy,
                    opt_start_seq=there.opt_start_seq,
                    opt_start_time=there.opt_start_time,
                )
            await self._js.add_consumer(self._names.stream, config)
        except (NatsError, APIError, TimeoutError) as err:
            raise self._error(f"consumer {name} of stream {self._names.stream}", err) from err

    async def _there(self, consumer: str) -> ConsumerConfig | None:
        try:
            found: ConsumerConfig = (await self._js.consumer_info(self._names.stream, consumer)).config
        except NotFoundError:
            return None
        return found

    def _error(self, what: str, err: Exception) -> DriverError:
        if isinstance(err, APIError) and err.err_code not in _PASSING:
            return BrokerRefused(f"NATS at {self._place} refuses {what}: {err.description or err}")
        return BrokerUnreachable(f"NATS at {self._place}, {what}: {str(err) or 'no answer from JetStream'}")


_PASSING = frozenset({10008, 10009, 10023, 10028, 10039, 10074, 10076})
"""Codes of JetStream that tell of a moment: no leader yet, resources, temporarily unavailable."""


def covers(pattern: str, subject: str) -> bool:
    """Whether a subject of a stream, with its wildcards, has a literal one in it."""
    parts, words = pattern.split("."), subject.split(".")
    for at, part in enumerate(parts):
        if part == ">":
            return len(words) > at
        if at >= len(words) or part not in ("*", words[at]):
            return False
    return len(parts) == len(words)
