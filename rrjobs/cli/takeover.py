"""Whose place a server takes that starts, or for whose end it waits: the servers with the same state folder tell."""

from collections.abc import Iterable
from pathlib import Path

from rrjobs.config.load import Loaded
from rrjobs.config.root import Root
from rrjobs.errors import TakeoverError
from rrjobs.runtime.address import Address, TcpAddress, parse_address, parse_dsn
from rrjobs.runtime.handover.door import FOLDER
from rrjobs.runtime.handover.neighbours import Neighbour, neighbours
from rrjobs.runtime.handover.predecessors import Predecessors
from rrjobs.runtime.listening import LISTENING


def find_predecessors(loaded: Loaded, takeover: bool) -> Predecessors | None:
    """None when this server is alone. Raises TakeoverError: no, or no single, server whose place could be taken."""
    folder = loaded.path.parent / loaded.root.state_dir / FOLDER
    met = neighbours(folder)
    leaving = [one for one in met if one.draining]
    alike = [one for one in met if one not in leaving and _is_alike(one, loaded)]
    taken = None
    try:
        if takeover:
            taken = _single(folder, loaded, met, alike)
        elif loaded.root.endure.reuse_port:
            leaving += alike
        if taken is None and not leaving:
            return None
        predecessors = Predecessors(LISTENING, leaving, taken)
        _take(predecessors)
    except BaseException:
        _close(met)
        raise
    _close(one for one in met if one not in leaving and one is not taken)
    return predecessors


def addresses_of(root: Root) -> dict[str, Address]:
    """Where clients come, by section."""
    sections = (("http", root.http), ("status", root.status), ("metrics", root.metrics))
    found = {name: parse_address(section.address) for name, section in sections if section is not None}
    if root.rpc is not None:
        found["rpc"] = parse_dsn(root.rpc.listen)
    return found


def _take(predecessors: Predecessors) -> None:
    try:
        predecessors.take()
    except TakeoverError as err:
        raise TakeoverError(f"cannot take over from {predecessors.name}: {err}") from err


def _is_alike(one: Neighbour, loaded: Loaded) -> bool:
    """Whether it runs the same configuration file, or listens where this one is to listen."""
    if one.about.get("config") == str(loaded.path.absolute()):
        return True
    wanted = addresses_of(loaded.root).values()
    return any(one.serves(address) for address in wanted if not isinstance(address, TcpAddress) or address.port)


def _single(folder: Path, loaded: Loaded, met: list[Neighbour], alike: list[Neighbour]) -> Neighbour:
    if len(alike) > 1:
        names = " and ".join(one.name for one in alike)
        raise TakeoverError(f"cannot take over: {names} both run with these addresses: stop one of them first")
    if alike:
        return alike[0]
    for one in met:
        if one.trouble:
            raise TakeoverError(f"cannot take over from {one.name}: {one.trouble}")
    if met:
        others = ", ".join(f"{one.name} ({one.about.get('config')})" for one in met)
        state = "is stopping already" if all(one.draining for one in met) else "has other addresses"
        raise TakeoverError(f"cannot take over: {others} {state}; start without --takeover")
    raise TakeoverError(
        f"cannot take over: no server of {loaded.path} runs with the state folder {folder.parent}; start without "
        "--takeover, or give both the same state_dir"
    )


def _close(some: Iterable[Neighbour]) -> None:
    for one in some:
        one.close()
