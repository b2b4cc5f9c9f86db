"""Addresses to listen on: `host:port`, `tcp://host:port`, `:port`, `[::1]:port`, `unix://path`."""

import ipaddress
from dataclasses import dataclass

from rrjobs.errors import AddressError

MAX_UNIX_PATH_BYTES = 107
"""What the kernel's socket address holds, less its final zero byte."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host (a name, an IP literal without brackets, or "" for every interface) and a port; port 0 is any free one."""

    host: str
    port: int

    @property
    def bind_hosts(self) -> tuple[str, ...]:
        """The IP addresses or the name to bind, in order; the first is required, others are bound where possible.

        An empty host means every interface of both families, `localhost` both loopbacks: RoadRunner listens on one
        family only for either.
        """
        if not self.host:
            return ("0.0.0.0", "::")
        if self.host.lower() == "localhost":
            return ("127.0.0.1", "::1")
        return (self.host,)

    @property
    def is_loopback(self) -> bool:
        """Whether nobody outside of this machine can reach it."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a unix socket, relative to the working directory if not absolute."""

    path: str

    def __str__(self) -> str:
        return f"unix://{self.path}"


Address = TcpAddress | UnixAddress


def parse_address(text: str) -> Address:
    """The address a text means; raises AddressError saying what would be right."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        return _tcp(text.strip(), text)
    if scheme == "unix":
        return _unix(rest, text)
    if scheme == "tcp":
        return _tcp(rest, text)
    raise AddressError(f"{text!r} has the unknown scheme {scheme!r}: write tcp://host:port or unix://path")


def parse_dsn(text: str) -> Address:
    """The same with the scheme required, as `rpc.listen` and the relay want it."""
    if text.count("://") != 1 or not text.startswith(("tcp://", "unix://")):
        raise AddressError(f"invalid socket DSN (tcp://:6001, unix://file.sock), got {text!r}")
    return parse_address(text)


def _unix(path: str, text: str) -> UnixAddress:
    if not path:
        raise AddressError(f"{text!r} has no path: write unix://path/to/file.sock")
    if len(path.encode()) > MAX_UNIX_PATH_BYTES:
        raise AddressError(f"the path of {text!r} is longer than the {MAX_UNIX_PATH_BYTES} bytes a socket may have")
    return UnixAddress(path)


def _tcp(rest: str, text: str) -> TcpAddress:
    if rest.startswith("unix:"):
        raise AddressError(f"{text!r} lacks two slashes: write unix://{rest.removeprefix('unix:')}")
    host, separator, port = rest.rpartition(":")
    if not separator:
        raise AddressError(f"{text!r} has no port: write host:port, :port or unix://path")
    return TcpAddress(_host(host, text), _port(port, text))


def _port(port: str, text: str) -> int:
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise AddressError(f"the port of {text!r} must be a number from 0 to 65535, got {port!r}")
    return int(port)


def _host(host: str, text: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise AddressError(f"{host!r} in {text!r} is not an IPv6 address") from None
        return host
    if ":" in host:
        raise AddressError(f"an IPv6 address is written in brackets, [::1]:80, got {text!r}")
    if "/" in host or any(sign.isspace() for sign in host):
        raise AddressError(f"{host!r} in {text!r} is not a host name: write host:port")
    return host


def checked_address(text: str) -> str:
    """The text itself if it is an address or empty; raises ValueError otherwise. For configuration models."""
    try:
        if text:
            parse_address(text)
    except AddressError as err:
        raise ValueError(str(err)) from err
    return text


def checked_dsn(text: str) -> str:
    """The same for addresses that need their scheme."""
    try:
        parse_dsn(text)
    except AddressError as err:
        raise ValueError(str(err)) from err
    return text
