"""Calls of the service: bounded, again and later when it throttles, with errors that say what to do."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import cache
from typing import Any, NoReturn

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader, create_loader

from rrjobs.drivers.broker.backoff import Backoff
from rrjobs.drivers.sqs.config import SqsSection
from rrjobs.drivers.sqs.trouble import FAILURES, Kind, Trouble, trouble_of
from rrjobs.errors import BrokerRefused, ConnectionLost, DriverError

CALL_S = 10.0
"""What the service may take to answer."""

CONNECT_S = 5.0
POOL = 50
IDLE_S = 4.0
"""A connection that idles for so long is not used again: servers close theirs without a word."""

_ENDS = frozenset({Kind.UNSENT, Kind.LOST, Kind.GONE, Kind.CREDENTIALS})
_LATER = frozenset({Kind.THROTTLED, Kind.PASSING})


class Refused(DriverError):
    """The service answered, and would not have it."""

    def __init__(self, message: str, trouble: Trouble) -> None:
        super().__init__(message)
        self.trouble = trouble


class Ended(ConnectionLost):
    """A new client is needed, or a person."""

    def __init__(self, message: str, trouble: Trouble) -> None:
        super().__init__(message, sent=trouble.kind is Kind.LOST)
        self.trouble = trouble


class Api:
    """A client of the section's credentials. When a new one is needed it is `over`: `on_end` is told the reason."""

    def __init__(self, section: SqsSection, place: str) -> None:
        self.over = ""
        self.on_end: Callable[[str], None] = lambda reason: None
        self._section = section
        self._place = place
        self._who = who_asks(section)
        self._stack = AsyncExitStack()
        self._client: Any = None

    async def open(self) -> None:
        """Find credentials and region. Raises BrokerRefused."""
        section = self._section
        credentials = {
            "aws_access_key_id": section.key or None,
            "aws_secret_access_key": section.secret or None,
            "aws_session_token": section.session_token or None,
        }
        config = AioConfig(
            connect_timeout=CONNECT_S,
            read_timeout=CALL_S + 60,
            max_pool_connections=POOL,
            retries={"total_max_attempts": 1},
            parameter_validation=False,
            connector_args={"keepalive_timeout": IDLE_S},
        )
        try:
            session = AioSession(profile=section.profile or None)
            session.register_component("data_loader", _models())
            region = section.region or session.get_config_variable("region")
            made = session.create_client(
                "sqs",
                region_name=region or ("us-east-1" if section.endpoint else None),
                endpoint_url=section.endpoint or None,
                verify=False if section.endpoint.startswith("http://") else None,  # spares the reading of authorities
                config=config,
                **credentials,
            )
            self._client = await self._stack.enter_async_context(made)
        except (BotoCoreError, ValueError) as err:
            hint = ": set `sqs.region`, or AWS_REGION" if "region" in str(err) else ""
            raise BrokerRefused(f"SQS at {self._place}: {err}{hint}") from err

    async def call(
        self,
        operation: str,
        *,
        patience_s: float,
        limit_s: float = CALL_S,
        asks_for_queue: bool = False,
        **params: Any,
    ) -> dict[str, Any]:
        """The answer. What the service cannot do now is tried again until `patience_s` is over.

        With `asks_for_queue` a queue that is not there is an answer too, and no reason to end.
        Raises Ended, Refused.
        """
        backoff = Backoff(0.05, 2.0)
        until = asyncio.get_running_loop().time() + patience_s
        while True:
            try:
                async with asyncio.timeout(limit_s):
                    answer: dict[str, Any] = await getattr(self._client, operation)(**params)
                return answer
            except FAILURES as err:
                trouble = trouble_of(err, self._who)
                wait_s = backoff.next_s()
                if trouble.kind not in _LATER or asyncio.get_running_loop().time() + wait_s > until:
                    self._fail(trouble, operation, err, ends=not asks_for_queue or trouble.kind is not Kind.GONE)
            await asyncio.sleep(wait_s)

    def end(self, reason: str) -> None:
        """No more calls; the first reason counts."""
        if not self.over:
            self.over = reason
            self.on_end(reason)

    async def close(self) -> None:
        """Safe twice."""
        await self._stack.aclose()

    def said(self, trouble: Trouble, what: str) -> str:
        """With who said it, and of what."""
        return f"SQS at {self._place}, {what}: {trouble.text}"

    def _fail(self, trouble: Trouble, operation: str, err: Exception, *, ends: bool) -> NoReturn:
        text = self.said(trouble, re.sub(r"(^|_)(\w)", lambda part: part[2].upper(), operation))
        if ends and trouble.kind in _ENDS:
            self.end(text)
            raise Ended(text, trouble) from err
        raise Refused(text, trouble) from err


@cache
def _models() -> Loader:
    """What the client knows of the service, read once."""
    return create_loader()


def place_of(section: SqsSection) -> str:
    """The address, without secrets."""
    if section.endpoint:
        return section.endpoint.partition("://")[2].rstrip("/")
    return f"sqs.{section.region}.amazonaws.com" if section.region else "AWS"


def who_asks(section: SqsSection) -> str:
    """For messages: where the credentials come from."""
    if section.key:
        return f"of the access key ...{section.key[-4:]}"
    return f"of the profile {section.profile}" if section.profile else "of the AWS environment"
