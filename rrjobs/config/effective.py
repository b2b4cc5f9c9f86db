"""Every value a configuration ends up with, and where each came from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rrjobs.config.masking import masked
from rrjobs.config.nodes import DEFAULT, Node, Origin, Path, dotted, nearest
from rrjobs.config.root import Root
from rrjobs.config.shape import keys, kind_of
from rrjobs.runtime.duration import format_duration
from rrjobs.runtime.section import Section
from rrjobs.runtime.values import DURATION, SECONDS
from rrjobs.worker.config import PoolConfig, default_prefetch


@dataclass(frozen=True, slots=True)
class Effective:
    """One value as it is shown: secrets are hidden, durations have their units."""

    key: str
    value: object
    origin: Origin


def effective(root: Root, nodes: Node) -> list[Effective]:
    """The values of a whole configuration in the order of the models, without pools that serve nothing."""
    unused = _unused_pools(root)
    return [one for one in _section(root, nodes, ()) if not one.key.startswith(unused)]


def _unused_pools(root: Root) -> tuple[str, ...]:
    if root.any_mode is not None:
        return ("http.pool.", "jobs.pool.")
    return ("jobs.pool.",) if root.jobs is not None and root.jobs.pools else ()


def _section(model: Section, nodes: Node, path: Path) -> Iterator[Effective]:
    for attribute, key, field in keys(type(model)):
        value = getattr(model, attribute)
        at = (*path, key)
        if value is None and key == "prefetch" and isinstance(model, PoolConfig):
            value = _default_prefetch(str(path[0]))
        if isinstance(value, Section):
            yield from _section(value, nodes, at)
        elif isinstance(value, Mapping):
            yield from _entries(value, nodes, at)
        elif value is not None:
            shown = format_duration(value) if kind_of(field) in (DURATION, SECONDS) else _shown(dotted(at), value)
            yield Effective(dotted(at), shown, _origin(type(model), nodes, path, key))


def _default_prefetch(owner: str) -> int | str:
    """What a prefetch nobody set will be; a pool for both has that of each."""
    if owner == "any":
        return f"{default_prefetch('http')} for requests, {default_prefetch('jobs')} for jobs"
    return default_prefetch(owner)


def _entries(entries: Mapping[object, object], nodes: Node, path: Path) -> Iterator[Effective]:
    for name, value in entries.items():
        at = (*path, str(name))
        if isinstance(value, Section):
            yield from _section(value, nodes, at)
        else:
            node, _ = nearest(nodes, at)
            yield Effective(dotted(at), _shown(dotted(at), value), node.origin)


def _shown(key: str, value: object) -> object:
    if isinstance(value, tuple):
        return [masked(key, str(item)) for item in value]
    text = masked(key, str(value))
    return value if text == str(value) and isinstance(value, bool | int | float) else text


def _origin(model: type[Section], nodes: Node, path: Path, key: str) -> Origin:
    """Where a key was written, here or in its other place; else it is a default."""
    for written in (key, model.fallbacks.get(key)):
        if written is not None:
            node, exact = nearest(nodes, (*path, *written.split(".")))
            if exact and node.value is not None:
                return node.origin
    return DEFAULT
