"""The value of `server.relay` (spec/worker-and-http.md 2.1)."""

from rrjobs.errors import AddressError
from rrjobs.runtime.address import TcpAddress, parse_dsn

_DSN = "invalid DSN (tcp://:6001, unix://file.sock)"


def check_relay(value: object) -> str | None:
    """None for private descriptors, else `pipes` or a tcp or unix DSN that PHP workers can connect to."""
    if value in (None, "", "private"):
        return None
    if value == "pipes":
        return "pipes"
    if not isinstance(value, str):
        raise ValueError(f"{_DSN}, private or pipes, got {value!r}")
    try:
        address = parse_dsn(value)
    except AddressError as err:
        raise ValueError(f"{_DSN}, private or pipes: {err}") from err
    if isinstance(address, TcpAddress):
        if ":" in address.host:
            raise ValueError(f"PHP workers cannot connect to an IPv6 literal: write a name or an IPv4, got {value!r}")
    elif ":" in address.path:
        raise ValueError(f"PHP workers cannot connect to a path with a colon in it, got {value!r}")
    return value
