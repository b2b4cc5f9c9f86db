"""The broker's refusals in plain words: what was refused, to whom, where, and what helps."""

import re
import ssl

from aiormq.exceptions import AuthenticationError, ProbableAuthenticationError

from rrjobs.drivers.amqp.address import Address
from rrjobs.drivers.amqp.lane import ChannelClosed
from rrjobs.errors import BrokerRefused, BrokerUnreachable, DriverError
from rrjobs.runtime.os_errors import plain_reason

_INEQUIVALENT = re.compile(
    r"inequivalent arg '(?P<arg>[^']+)' for (?P<kind>queue|exchange) '(?P<name>[^']*)'.*?"
    r"received (?P<ours>.+?) but current is (?P<theirs>.+)$",
    re.DOTALL,
)
_TYPE = re.compile(r" of type '\w+'")
_KEYS = {
    "durable": "`durable`",
    "auto_delete": "`auto_delete`",
    "exclusive": "`exclusive`",
    "type": "the exchange's type",
}


def connect_trouble(err: Exception, address: Address, last_words: str) -> DriverError:
    """Why there is no connection; `last_words` are the broker's, when it said any."""
    text = last_words or str(err)
    if text.startswith("403") or isinstance(err, ProbableAuthenticationError | AuthenticationError):
        return BrokerRefused(
            f"{address.place} refuses user {address.user!r}: wrong password, unknown user, or not allowed from this "
            f"host; see `amqp.addr` ({_plain(text)})"
        )
    if "not found" in text and "vhost" in text:
        return BrokerRefused(f"there is no vhost {address.vhost!r} on {address.host}:{address.port}; see `amqp.addr`")
    if text.endswith("is down"):
        return BrokerUnreachable(f"vhost {address.vhost!r} of {address.host}:{address.port} is down")
    if "access to vhost" in text or "NOT_ALLOWED" in text:
        return BrokerRefused(
            f"user {address.user!r} may not use vhost {address.vhost!r} of {address.host}:{address.port}: "
            f"give it permissions there ({_plain(text)})"
        )
    if isinstance(err, ssl.SSLError):
        return BrokerRefused(f"TLS with {address.place} failed: {err.reason or text}; see `amqp.tls` and the port")
    return BrokerUnreachable(f"{address.place}: {_plain(last_words) or _why(err)}")


def _why(err: Exception) -> str:
    if isinstance(err, ConnectionRefusedError):
        return "connection refused: is RabbitMQ running there?"
    if isinstance(err, StopAsyncIteration):  # aiormq's way to say that nothing more comes
        return "closed the connection during the login"
    text = plain_reason(err) if isinstance(err, OSError) else str(err)
    if any(word in text for word in ("unexpectedly closed", "Unexpected", "connection reset", "rame")):
        return "does not answer as an AMQP 0-9-1 broker does; is this the port of RabbitMQ, with or without TLS?"
    return text or type(err).__name__


def refusal(err: ChannelClosed, address: Address, doing: str, hint: str = "") -> BrokerRefused:
    """What the broker refused while we were `doing` something."""
    found = _INEQUIVALENT.search(err.text)
    if found:
        key = _KEYS.get(found["arg"], f"the argument `{found['arg']}`")
        return BrokerRefused(
            f"{found['kind']} {found['name']!r} exists on {address.place} with other settings: {key} is "
            f"{_value(found['theirs'])} there and {_value(found['ours'])} in the configuration: make them equal, or "
            f"delete the {found['kind']}"
        )
    if err.code == 403:
        return BrokerRefused(f"user {address.user!r} may not {doing} in vhost {address.vhost!r}: {_plain(err.text)}")
    if err.code == 405:
        return BrokerRefused(
            f"cannot {doing} on {address.place}: another connection has it for itself (`exclusive`): {_plain(err.text)}"
        )
    text = f"cannot {doing} on {address.place}: {_plain(err.text)}"
    return BrokerRefused(f"{text}{': ' + hint if hint else ''}")


def _value(text: str) -> str:
    return _TYPE.sub("", text.strip().removeprefix("the value "))


def _plain(text: str) -> str:
    """Without the broker's own name of the error."""
    head, separator, rest = text.partition(" - ")
    return rest if separator and head.upper() == head else text
