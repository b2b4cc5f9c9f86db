"""Every value a configuration ends up with, and where each came from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rrjobs.config.masking import masked
from rrjobs.config.nodes import DEFAULT, Node, Origin, Path, dotted, nearest
from rrjobs.config.shape import is_duration, keys
from rrjobs.runtime.duration import format_duration
from rrjobs.runtime.section import Section


@dataclass(frozen=True, slots=True)
class Effective:
    """One value as it is shown: secrets are hidden, durations have their units."""

    key: str
    value: object
    origin: Origin


def effective(model: Section, root: Node, path: Path = ()) -> Iterator[Effective]:
    """The values of a section and of all below it, in the order of the models."""
    for attribute, key, field in keys(type(model)):
        value = getattr(model, attribute)
        at = (*path, key)
        if isinstance(value, Section):
            yield from effective(value, root, at)
        elif isinstance(value, Mapping):
            yield from _entries(value, root, at)
        elif value is not None:
            shown = format_duration(value) if is_duration(field) else _shown(dotted(at), value)
            yield Effective(dotted(at), shown, _origin(type(model), root, path, key))


def _entries(entries: Mapping[object, object], root: Node, path: Path) -> Iterator[Effective]:
    for name, value in entries.items():
        at = (*path, str(name))
        if isinstance(value, Section):
            yield from effective(value, root, at)
        else:
            node, _ = nearest(root, at)
            yield Effective(dotted(at), _shown(dotted(at), value), node.origin)


def _shown(key: str, value: object) -> object:
    if isinstance(value, bool | int | float):
        return masked(key, str(value)) if masked(key, str(value)) != str(value) else value
    if isinstance(value, tuple):
        return [masked(key, str(item)) for item in value]
    return masked(key, str(value))


def _origin(model: type[Section], root: Node, path: Path, key: str) -> Origin:
    """Where a key was written, here or in its other place; else it is a default."""
    for written in (key, model.fallbacks.get(key)):
        if written is not None:
            node, exact = nearest(root, (*path, *written.split(".")))
            if exact and node.value is not None:
                return node.origin
    return DEFAULT
