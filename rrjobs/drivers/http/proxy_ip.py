"""The client's address behind trusted proxies (spec/worker-and-http.md 5.3, 6.6)."""

import ipaddress
import re
from collections.abc import Callable, Sequence

from rrjobs.drivers.http.config import Network
from rrjobs.protocol.http1.names import canonical_text
from rrjobs.protocol.http1.request import Headers

_FOR = re.compile(r'for\s*=\s*("?)([^;, "]+)', re.IGNORECASE)
_UNIX_PEER = "@"
_MAX_KNOWN = 1024


class TrustedProxies:
    """Takes a proxy's word for the client's address, if the proxy is one of ours; a unix socket counts as loopback."""

    def __init__(self, subnets: Sequence[Network], names: Sequence[str], warn: Callable[[str], None]) -> None:
        self._subnets = subnets
        self._names = tuple(dict.fromkeys(canonical_text(name.strip()) for name in names if name.strip()))
        self._warn = warn
        self._known: dict[str, bool] = {}

    def client_of(self, peer: str, headers: Headers) -> str:
        """The address of whoever is behind `peer`; `peer` itself if that is nobody we trust."""
        trusted = self._known.get(peer)
        if trusted is None:
            trusted = self._remember(peer)
        if trusted:
            for name in self._names:
                if name in headers:
                    told = _told_by(name, headers[name][0])
                    if told:
                        return self._host_of(told)
        return peer

    def _remember(self, peer: str) -> bool:
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        address = ipaddress.ip_address("127.0.0.1" if peer == _UNIX_PEER else peer.partition("%")[0])
        trusted = any(address in subnet for subnet in self._subnets)
        self._known[peer] = trusted
        return trusted

    def _host_of(self, told: str) -> str:
        """Without the port; empty for what is neither a name nor an address."""
        if ":" not in told:
            return told
        if told.startswith("["):
            return told[1:].partition("]")[0]
        host, _, port = told.rpartition(":")
        if ":" not in host and port.isdigit():
            return host
        try:
            ipaddress.IPv6Address(told)
            return told
        except ValueError:
            self._warn(f"the client address {told!r} that a proxy tells is none")
            return ""


def _told_by(name: str, value: str) -> str:
    if name == "Forwarded":
        match = _FOR.search(value)
        return match[2] if match else ""
    if name == "X-Forwarded-For":
        return value.partition(",")[0].strip()
    return value
