"""Whether the addresses of a configuration can be had."""

import socket
from collections.abc import Iterator
from pathlib import Path

from rrjobs.cli.checks.finding import Finding, State
from rrjobs.cli.takeover import addresses_of
from rrjobs.config.root import Root
from rrjobs.errors import AddressError
from rrjobs.runtime.address import Address, TcpAddress, parse_dsn
from rrjobs.runtime.listen import listen


def check_addresses(root: Root, running: bool) -> Iterator[Finding]:
    """`running`: the server of this configuration is known to run, and has them."""
    for name, address in _wanted(root).items():
        yield _had(name, address, running)


def _wanted(root: Root) -> dict[str, Address]:
    wanted = addresses_of(root)
    relay = (root.server.relay if root.server else None) or ""
    if relay.startswith(("tcp://", "unix://")):
        wanted["relay"] = parse_dsn(relay)
    return wanted


def _had(name: str, address: Address, running: bool) -> Finding:
    """Taken for a moment, as the server would."""
    try:
        for one in listen(address):
            _let_go(one, address)
    except AddressError as err:
        if running:
            return Finding(name, State.OK, f"{address} is taken by the server of this configuration, which runs")
        return Finding(name, State.ERROR, str(err))
    return Finding(name, State.OK, f"{address} is free")


def _let_go(one: socket.socket, address: Address) -> None:
    one.close()
    if not isinstance(address, TcpAddress):
        Path(address.path).unlink(missing_ok=True)
