"""Queues: found or made, with what SQS tells of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from rrjobs.drivers.broker.connection import Counts
from rrjobs.drivers.sqs.api import Api, Ended, Refused
from rrjobs.drivers.sqs.config import SqsConfig
from rrjobs.drivers.sqs.queue_attributes import FIFO
from rrjobs.drivers.sqs.trouble import Kind, Trouble
from rrjobs.errors import BrokerRefused, BrokerUnreachable, DriverError

PATIENCE_S = 5.0
DEAD = "-dead"
LONGEST_RETENTION = "1209600"
"""14 days: SQS keeps nothing longer."""

_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)


@dataclass(frozen=True, slots=True)
class Queue:
    """`redrive`: the most receipts before SQS takes a message away, 0 without such a policy. Seconds and bytes.

    `wait_s`: how long a request for messages waits unless it says so itself. `differs`: attributes that are others than
    the configured ones, for people.
    """

    url: str
    visibility_s: int = 30
    wait_s: int = 0
    retention_s: int = 345_600
    most_bytes: int = 0
    redrive: int = 0
    differs: str = ""


def dead_name(queue: str) -> str:
    """Where its dead letters are."""
    return f"{queue.removesuffix(FIFO)}{DEAD}{FIFO if queue.endswith(FIFO) else ''}"


class Queues:
    """Of one pipeline."""

    def __init__(self, api: Api, config: SqsConfig) -> None:
        self._api = api
        self._config = config

    async def prepare(self) -> Queue:
        """The pipeline's queue. Raises BrokerRefused, BrokerUnreachable."""
        try:
            url = await (self._found() if self._config.skip_queue_declaration else self._made())
            return await self._told(url)
        except Refused as err:
            raise self._error(err, err.trouble) from err
        except Ended as err:
            raise self._error(err, err.trouble) from err

    async def dead(self, *, make: bool) -> str:
        """The URL of the queue of dead letters; empty when it is not there and not to be made. Raises DriverError."""
        name = dead_name(self._config.queue)
        if not make:
            return await self._url(name)
        attributes = {"MessageRetentionPeriod": LONGEST_RETENTION}
        return await self._make(name, attributes, self._config.tags)

    async def counts(self, url: str, patience_s: float = 0.0) -> Counts:
        """Of this moment, as far as SQS knows. Raises DriverError."""
        found = await self._attributes(url, _COUNTS, patience_s)
        return Counts(*(int(found.get(name, 0)) for name in _COUNTS))

    async def _found(self) -> str:
        url = await self._url(self._config.queue)
        if not url:
            raise BrokerRefused(
                f"there is no queue {self._config.queue}, and `skip_queue_declaration` says not to make it"
            )
        return url

    async def _made(self) -> str:
        return await self._make(self._config.queue, self._config.attributes, self._config.tags)

    async def _make(self, name: str, attributes: dict[str, str], tags: dict[str, str]) -> str:
        if name.endswith(FIFO):
            attributes = {**attributes, "FifoQueue": "true"}
        more: dict[str, Any] = {"tags": tags} if tags else {}
        try:
            answer = await self._api.call(
                "create_queue", patience_s=PATIENCE_S, QueueName=name, Attributes=attributes, **more
            )
        except Refused as err:
            if "QueueNameExists" not in err.trouble.code and "QueueAlreadyExists" not in err.trouble.code:
                raise
            return await self._url(name)  # it has other attributes: RoadRunner uses it as it is
        return str(answer["QueueUrl"])

    async def _url(self, name: str) -> str:
        try:
            answer = await self._api.call("get_queue_url", patience_s=PATIENCE_S, asks_for_queue=True, QueueName=name)
        except Refused as err:
            if err.trouble.kind is Kind.GONE:
                return ""
            raise
        return str(answer["QueueUrl"])

    async def _told(self, url: str) -> Queue:
        try:
            found = await self._attributes(url, ("All",), PATIENCE_S)
        except Refused as err:
            if err.trouble.kind is Kind.DENIED:
                return Queue(url)
            raise
        return Queue(
            url,
            int(found.get("VisibilityTimeout", 30)),
            int(found.get("ReceiveMessageWaitTimeSeconds", 0)),
            int(found.get("MessageRetentionPeriod", 345_600)),
            int(found.get("MaximumMessageSize", 0)),
            _receipts(found.get("RedrivePolicy", "")),
            _differences(self._config.attributes, found),
        )

    async def _attributes(self, url: str, names: tuple[str, ...], patience_s: float) -> dict[str, str]:
        answer = await self._api.call(
            "get_queue_attributes", patience_s=patience_s, QueueUrl=url, AttributeNames=list(names)
        )
        return answer.get("Attributes") or {}

    def _error(self, err: DriverError, trouble: Trouble) -> DriverError:
        text = f"queue {self._config.queue}: {err}"
        if trouble.kind is Kind.DENIED and not self._config.skip_queue_declaration:
            text += " (with `skip_queue_declaration: true` the queue is not made)"
        final = trouble.kind in (Kind.CREDENTIALS, Kind.DENIED, Kind.REFUSED)
        return BrokerRefused(text) if final else BrokerUnreachable(text)


def _differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    """A queue that was there before is used as it is, as by RoadRunner. What the server does not tell is left out."""
    return ", ".join(
        f"{name} is {found[name]} there and {value} in the configuration"
        for name, value in sorted(wanted.items())
        if name in found and not _is_same(value, found[name])
    )


def _is_same(one: str, other: str) -> bool:
    if one.lower() == other.lower():
        return True
    try:
        return bool(orjson.loads(one) == orjson.loads(other))  # a policy
    except ValueError:
        return False


def _receipts(policy: str) -> int:
    """`maxReceiveCount` of a redrive policy."""
    try:
        return int(orjson.loads(policy)["maxReceiveCount"])
    except (ValueError, KeyError, TypeError):
        return 0
