"""Where a RabbitMQ is, and as whom to log in: the parts of `amqp.addr` (rabbitmq.com/docs/uri-spec)."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

DEFAULT = "amqp://guest:guest@127.0.0.1:5672/"
HEARTBEAT_S = 10
"""As RoadRunner's client: a dead link is known after about three of them."""

_PORTS = {"amqp": 5672, "amqps": 5671}
_KNOWN = ("heartbeat", "connection_timeout", "channel_max")


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
        heartbeat_s=_heartbeat(parts.query),
    )


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("has no port between 1 and 65535, or brackets that do not fit") from None
    return parts


def _heartbeat(query: str) -> int:
    found = dict(parse_qsl(query, keep_blank_values=True))
    for name in found:
        if name not in _KNOWN:
            raise ValueError(f"has `{name}` behind the question mark, which is not known: certificates belong in `tls`")
    text = found.get("heartbeat", str(HEARTBEAT_S))
    if not text.isdigit() or not 1 <= int(text) <= 3600:
        raise ValueError(f"has heartbeat={text}: it is 1 to 3600 seconds")
    return int(text)
