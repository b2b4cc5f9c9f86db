"""Variables by which RoadRunner overrides keys, `RR_HTTP_ADDRESS` for `http.address`. Here they only give a warning."""

from collections.abc import Iterator, Mapping

from rrjobs.config.nodes import Node, Path
from rrjobs.config.problems import Findings

_OWN = frozenset({"RR_VERSION", "RR_MODE", "RR_RPC", "RR_RELAY"})
"""What workers are given, and so whatever they start: no override is meant."""


def warn_of_overrides(root: Node, variables: Mapping[str, str], findings: Findings) -> None:
    """A warning at each key that RoadRunner would give another value."""
    if not any(name.startswith("RR_") for name in variables):
        return
    for path, node in _values(root, ()):
        name = f"RR_{'_'.join(path)}".upper()
        if name in variables and name not in _OWN and variables[name] != str(node.value):
            text = f"the variable {name} overrides this key in RoadRunner, not here: write ${{{name}}}, or use -o"
            findings.warn(node.origin, path, text)


def _values(node: Node, path: Path) -> Iterator[tuple[tuple[str, ...], Node]]:
    for name, below in node.entries().items():
        at = (*(str(part) for part in path), name)
        if isinstance(below.value, dict):
            yield from _values(below, at)
        else:
            yield at, below
