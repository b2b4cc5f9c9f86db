"""One client of the cluster: is it there, which topics does it have, make one. All requests have a limit in time.

aiokafka mends broken connections by itself and tells nobody; whether the cluster answers has to be asked.
"""

import asyncio
import random
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import aiokafka.errors as errors
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateTopicsRequest
from aiokafka.protocol.metadata import MetadataRequest

from rrjobs.drivers.kafka.links import create_conn
from rrjobs.drivers.kafka.rights import refusal
from rrjobs.errors import BrokerRefused, BrokerUnreachable, ConnectionLost, DriverError
from rrjobs.runtime.os_errors import plain_reason

REFUSALS = (
    errors.SaslAuthenticationFailed,
    errors.AuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
)
BROKERS_OWN = -1
"""As many partitions or replicas as the broker gives a topic without saying."""

_LOGIN = ("sasl_mechanism", "sasl_plain_username", "sasl_plain_password", "sasl_oauth_token_provider")


def said(err: BaseException) -> str:
    """What a client says of an error, in a line."""
    text = str(err) or type(err).__name__
    return " ".join(text.split())


async def probe(options: Mapping[str, Any], timeout_s: float) -> None:
    """Connect and log in to the first broker that answers. Raises BrokerUnreachable, BrokerRefused with the reasons."""
    reasons = []
    for address in options["bootstrap_servers"]:
        host, _, port = address.rpartition(":")
        login = {key: options[key] for key in (*_LOGIN, "security_protocol", "ssl_context") if key in options}
        try:
            async with asyncio.timeout(timeout_s):
                connection = await create_conn(
                    host.strip("[]"), int(port), request_timeout_ms=round(timeout_s * 1000), **login
                )
            connection.close()
            return
        except errors.IllegalSaslStateError as err:
            text = f"Kafka at {address} has no login on this port: leave out `sasl`, or write the port that has one"
            raise BrokerRefused(text) from err
        except REFUSALS as err:
            user = options.get("sasl_plain_username")
            who = f" of user {user}" if user else ""
            text = f"Kafka at {address} refuses the login{who} ({options.get('sasl_mechanism')}): {said(err)}"
            raise BrokerRefused(text) from err
        except TimeoutError:
            reasons.append(f"Kafka at {address} did not answer within {timeout_s:g} s")
        except OSError as err:
            hint = _hint(options) if isinstance(err, ssl.SSLError | ConnectionResetError) else ""
            reasons.append(f"Kafka at {address}: {plain_reason(err)}{hint}")
        except errors.KafkaError as err:
            reasons.append(f"Kafka at {address}: {said(err)}{_hint(options)}")
    raise BrokerUnreachable("; ".join(reasons))


def _hint(options: Mapping[str, Any]) -> str:
    protocol = options.get("security_protocol", "PLAINTEXT")
    return f" (tried {protocol}: is this a port of Kafka, and does it expect `tls` or `sasl`?)"


class Cluster:
    """Questions through the connections of one of aiokafka's clients."""

    def __init__(self, client: Any, options: Mapping[str, Any], timeout_s: float) -> None:
        self._client = client
        self._options = options
        self._timeout_s = timeout_s

    async def partitions(self, topics: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Of those that exist, without making any. Raises ConnectionLost, BrokerRefused."""
        answer = (await self._ask(MetadataRequest(list(topics), False))).to_object()
        found: dict[str, tuple[int, ...]] = {}
        for topic in answer["topics"]:
            error = errors.for_code(topic["error_code"])
            if error is errors.TopicAuthorizationFailedError:
                raise BrokerRefused(refusal(self._options, f"describe topic {topic['topic']}"))
            if error is errors.InvalidTopicError:
                raise BrokerRefused(f"topic {topic['topic']}: Kafka does not take this name")
            if error is not errors.UnknownTopicOrPartitionError and topic["partitions"]:
                found[topic["topic"]] = tuple(sorted(one["partition"] for one in topic["partitions"]))
        return found

    async def names(self) -> list[str]:
        """All topics that we may see. Raises ConnectionLost."""
        answer = (await self._ask(MetadataRequest(None, False))).to_object()
        return [topic["topic"] for topic in answer["topics"]]

    async def refresh(self) -> None:
        """The client sees its topics anew."""
        await self._client.force_metadata_update()

    async def make(self, topic: str, partitions: int = BROKERS_OWN, **settings: str) -> None:
        """Make a topic; one that exists is left as it is. Raises DriverError."""
        admin = AIOKafkaAdminClient(**self._options, request_timeout_ms=round(self._timeout_s * 1000))
        configs = [(name.replace("_", "."), value) for name, value in settings.items()]
        request = CreateTopicsRequest(
            [(topic, partitions, BROKERS_OWN, [], configs)], round(self._timeout_s * 1000), validate_only=False
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await admin.start()
                answer = await admin._send_to_controller(request)  # its own call wants numbers where -1 is allowed
        except (errors.KafkaError, OSError, TimeoutError) as err:
            raise DriverError(f"topic {topic} cannot be made: {said(err)}") from err
        finally:
            await admin.close()
        for _, code, *reason in answer.topic_errors:
            error = errors.for_code(code)
            if error not in (errors.NoError, errors.TopicAlreadyExistsError):
                raise DriverError(f"topic {topic} cannot be made: {(reason and reason[0]) or error.__name__}")

    async def _ask(self, request: Any) -> Any:
        nodes = [broker.nodeId for broker in self._client.cluster.brokers()]
        random.shuffle(nodes)
        trouble: BaseException | None = None
        for node in nodes:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._client.send(node, request)
            except (errors.KafkaError, OSError, TimeoutError) as err:
                trouble = err
        place = ", ".join(self._options["bootstrap_servers"])
        raise ConnectionLost(f"Kafka at {place} does not answer: {said(trouble) if trouble else 'no broker is known'}")
