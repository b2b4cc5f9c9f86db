"""Where a RabbitMQ is, and as whom to log in: the parts of `amqp.addr` (rabbitmq.com/docs/uri-spec)."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

DEFAULT = "amqp://guest:guest@127.0.0.1:5672/"
HEARTBEAT_S = 10
"""As RoadRunner's client: a dead link is known after about three of them."""

_PORTS = {"amqp": 5672, "amqps": 5671}
_KNOWN = ("heartbeat", "connection_timeout")


@dataclass(frozen=True, slots=True)
class Address:
    """Parsed; the password is in no text that this makes."""

    host: str
    port: int
    vhost: str
    user: str
    password: str = field(repr=False)
    tls: bool = False
    heartbeat_s: int = HEARTBEAT_S
    connect_s: float | None = None

    @property
    def place(self) -> str:
        """For messages: host:port/vhost, where the vhost `/` is not written."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" + ("" if self.vhost == "/" else f"/{self.vhost}")


def parse_address(text: str) -> Address:
    """Raises ValueError with what would be right."""
    parts = _split(text.strip() or DEFAULT)
    if parts.scheme not in _PORTS:
        raise ValueError("begins with amqp:// or amqps://, as in amqp://guest:guest@127.0.0.1:5672/")
    if "/" in parts.path[1:]:
        raise ValueError("has one vhost behind the port; a slash in its name is written %2f")
    return Address(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or _PORTS[parts.scheme],
        vhost=unquote(parts.path[1:]) or "/",
        user=unquote(parts.username) if parts.username is not None else "guest",
        password=unquote(parts.password) if parts.password is not None else "guest",
        tls=parts.scheme == "amqps",
        **_options(parts.query),
    )


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("has no port between 1 and 65535, or brackets that do not fit") from None
    return parts


def _options(query: str) -> dict[str, Any]:
    found = dict(parse_qsl(query, keep_blank_values=True))
    for name in found:
        if name == "channel_max":
            raise ValueError("has `channel_max` behind the question mark: leave it out, a pipeline opens a handful")
        if name not in _KNOWN:
            raise ValueError(f"has `{name}` behind the question mark, which is not known: certificates belong in `tls`")
    options: dict[str, Any] = {}
    if "heartbeat" in found:
        options["heartbeat_s"] = _number("heartbeat", found["heartbeat"], 3600, "seconds")
    if "connection_timeout" in found:
        options["connect_s"] = (
            _number("connection_timeout", found["connection_timeout"], 600_000, "milliseconds") / 1000
        )
    return options


def _number(name: str, text: str, most: int, unit: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise ValueError(f"has {name}={text}: it is 1 to {most} {unit}")
    return int(text)
