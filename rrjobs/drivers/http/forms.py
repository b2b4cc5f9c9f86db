"""Names of form fields to nested keys, as RoadRunner nests them (spec/worker-and-http.md 5.4); not as PHP does.

Keys keep the order in which they first arrived.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

MAX_DEPTH = 127
"""A field nested deeper is dropped."""

_TOKEN = re.compile(r"[\[\]]|[^\[\]]+")

Leaf = TypeVar("Leaf")
Node = dict[str, object]


class FormError(ValueError):
    """A form that is refused; the text is for the client."""


class Tree(Generic[Leaf]):
    """Builds the tree. `pick` chooses among values of a repeated plain name, `is_empty` says what never conflicts."""

    def __init__(self, pick: Callable[[Sequence[Leaf]], Leaf], is_empty: Callable[[Leaf], bool]) -> None:
        self._pick = pick
        self._is_empty = is_empty
        self.root: Node = {}

    def add(self, name: str, values: Sequence[Leaf]) -> None:
        """All values of one exact name; raises FormError when a scalar and a nested value want the same place."""
        keys = split_name(name)
        if len(keys) <= MAX_DEPTH:
            self._mount(keys, values)

    def _mount(self, keys: Sequence[str], values: Sequence[Leaf]) -> None:
        node = self.root
        is_list = len(keys) > 1 and not keys[-1]
        value: object = list(values) if is_list else self._pick(values)
        last = len(keys) - (2 if is_list else 1)
        for key in keys[:last]:
            below = node.get(key)
            if not isinstance(below, dict):
                if key in node and not self._gives_way(below):
                    if self._gives_way(value):
                        return
                    raise conflict(key)
                below = node[key] = {}
            node = below
        self._set_leaf(node, keys[last], value)

    def _set_leaf(self, node: Node, key: str, value: object) -> None:
        there = node.get(key)
        if isinstance(there, dict):
            if self._gives_way(value):
                return
            if not self._gives_way(there):
                raise conflict(key)
            node[key] = value
        elif key not in node or self._gives_way(there) or not self._gives_way(value):
            node[key] = value

    def _gives_way(self, value: object) -> bool:
        """Whether this value, list or branch holds nothing but empty values."""
        if isinstance(value, dict):
            return all(self._gives_way(below) for below in value.values())
        if isinstance(value, list):
            return all(self._is_empty(one) for one in value)
        return self._is_empty(value)  # type: ignore[arg-type]  # what is neither a branch nor a list is a leaf


def conflict(key: str) -> FormError:
    """Two fields want the same place."""
    return FormError(f"invalid multiple values to key '{key}' in tree")


def split_name(name: str) -> list[str]:
    """The keys of a field name: `a[b][]` is a, b and the empty key. Spaces are removed, dots stay."""
    name = name.replace(" ", "")
    keys = [""]
    in_key = True
    for token in _TOKEN.findall(name):
        if token == "[":
            in_key = False
        elif token == "]":
            if not in_key:
                keys.append("")
            in_key = False
        elif in_key:
            keys[-1] += token
        else:
            keys.append(token)
            in_key = True
    return keys


def field_tree(pairs: Iterable[tuple[str, str]]) -> Node:
    """The tree of plain fields: the last of repeated values counts, empty ones never conflict."""
    tree: Tree[str] = Tree(lambda values: values[-1], lambda value: not value)
    for name, values in _by_name(pairs).items():
        tree.add(name, values)
    return tree.root


def file_tree(pairs: Iterable[tuple[str, Leaf]]) -> Node:
    """The tree of files: the first of those with the same plain name counts."""
    tree: Tree[Leaf] = Tree(lambda files: files[0], lambda file: False)
    for name, files in _by_name(pairs).items():
        tree.add(name, files)
    return tree.root


def _by_name(pairs: Iterable[tuple[str, Leaf]]) -> dict[str, list[Leaf]]:
    grouped: dict[str, list[Leaf]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped
