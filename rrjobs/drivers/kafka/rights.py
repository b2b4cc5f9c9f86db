"""What a consumer is not permitted any more, and whether it is again; none of it ends the consumer.

permitted --an answer says no--> refused, its partitions paused --asked again, each second--> permitted
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import aiokafka.errors as errors

from rrjobs.errors import ConnectionLost

NOT_PERMITTED = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
)
AGAIN_S = 1.0
"""Between two questions for what was refused."""


class Denied(ConnectionLost):
    """The user may not do that; the connection is as good as before."""


def refusal(options: Mapping[str, Any], what: str) -> str:
    """`options` are those of a client, `what` is like `read topic mail`."""
    user = options.get("sasl_plain_username")
    return f"permissions refused: {f'user {user}' if user else 'this client'} may not {what}"


class Rights:
    """`told` hears of each change why reading is refused, "" when nothing is."""

    def __init__(self, consumer: Any, options: Mapping[str, Any]) -> None:
        self.told: Callable[[str], None] = lambda reason: None
        self._consumer = consumer
        self._options = options
        self._topics: dict[str, float] = {}
        self._group = ""
        self._look_s = 0.0

    @property
    def refused(self) -> str:
        """What is refused, for people."""
        if self._group:
            return refusal(self._options, f"read group {self._group}")
        return refusal(self._options, f"read topic {', '.join(sorted(self._topics))}") if self._topics else ""

    async def lacks(self, err: errors.KafkaError) -> None:
        """Refused, as a member of the group or by a fetch; the member joins anew, the topic waits for `look`."""
        if isinstance(err, errors.GroupAuthorizationFailedError):
            self.denied(err)
            self._consumer._coordinator.request_rejoin()  # a heartbeat that was refused is not sent again otherwise
            await asyncio.sleep(AGAIN_S)
        elif not isinstance(err, errors.TopicAuthorizationFailedError):
            raise err
        else:
            self.denied(err)
            self._consumer.pause(*(place for place in self._consumer.assignment() if place.topic in self._topics))

    def denied(self, err: errors.KafkaError) -> Denied:
        """The same by a commit, which is tried again by whoever wants it."""
        before = self.refused
        named = err.args[0] if err.args else ""
        if isinstance(err, errors.GroupAuthorizationFailedError):
            self._group = str(named)
        else:
            self._topics |= dict.fromkeys(named if isinstance(named, set) else (str(named),), time.time() * 1000)
        self._tell(before)
        return Denied(self.refused)

    def look(self) -> None:
        """Ask again for the topics that were refused; those that have answered since are permitted."""
        if not self._topics or time.monotonic() < self._look_s:
            return
        self._look_s = time.monotonic() + AGAIN_S
        before = self.refused
        for topic, refused_ms in list(self._topics.items()):
            places = [place for place in self._consumer.assignment() if place.topic == topic]
            if all((self._consumer.last_poll_timestamp(place) or 0) > refused_ms for place in places):
                del self._topics[topic]
            self._consumer.resume(*places)
        self._tell(before)

    def permitted(self, topics: Iterable[str]) -> None:
        """A commit of these, or without any joining the group, was not refused."""
        if not self._group and not self._topics:
            return
        before, self._group = self.refused, ""
        for topic in topics:
            if self._topics.pop(topic, None) is not None:
                self._consumer.resume(*(place for place in self._consumer.assignment() if place.topic == topic))
        self._tell(before)

    def _tell(self, before: str) -> None:
        if self.refused != before:
            self.told(self.refused)
