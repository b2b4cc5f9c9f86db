"""The configuration as a tree of values that know where they came from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

Scalar = str | int | float | bool | None
Path = tuple[str | int, ...]


class Source(StrEnum):
    """What kind of place a value came from."""

    FILE = "file"
    INCLUDE = "include"
    OVERRIDE = "-o"
    ENVIRONMENT = "environment"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """One place: `file` with a line and column from 1, or the override that set the value.

    `variables` are the environment variables its text was made of; the source is then the environment. Those of them
    in `unset` gave nothing, or way to the default beside their name.
    """

    source: Source
    file: str = ""
    line: int = 0
    column: int = 0
    variables: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where to look, as error messages begin."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        if self.source in (Source.OVERRIDE, Source.DEFAULT):
            return self.file or self.source.value
        if given := [name for name in self.variables if name not in self.unset]:
            return f"environment {', '.join(given)} ({self.place})"
        if self.unset:
            return f"{self.place}, {', '.join(self.unset)} not set"
        return f"include {self.place}" if self.source is Source.INCLUDE else self.place


DEFAULT = Origin(Source.DEFAULT)


@dataclass(slots=True)
class Node:
    """A value with its origin; `key` is where the key stands that holds it. Keys are in lower case."""

    value: "Scalar | dict[str, Node] | list[Node]"
    origin: Origin
    key: Origin | None = None

    @property
    def named_at(self) -> Origin:
        """Where its key stands, or itself if it has none."""
        return self.key or self.origin

    def entries(self) -> "dict[str, Node]":
        """The entries of a map; of anything else, none."""
        return self.value if isinstance(self.value, dict) else {}

    def get(self, *path: str) -> "Node | None":
        """The node below this one; an explicit null counts as absent."""
        node: Node | None = self
        for key in path:
            node = node.entries().get(key) if node is not None else None
        return None if node is None or node.value is None else node

    def text(self, *path: str) -> str:
        """The scalar below this one as a text; empty when absent or not a scalar."""
        node = self.get(*path)
        return "" if node is None or isinstance(node.value, dict | list) else str(node.value)

    def names(self, *path: str) -> "list[tuple[str, Node]]":
        """The texts below this one: of a list, or of one text split at commas."""
        node = self.get(*path)
        if node is None:
            return []
        if isinstance(node.value, list):
            return [(str(item.value), item) for item in node.value if not isinstance(item.value, dict | list)]
        if isinstance(node.value, dict):
            return []
        return [(text.strip(), node) for text in str(node.value).split(",") if text.strip()]


def plain(node: Node) -> object:
    """The same value without origins, for models and for RPC."""
    if isinstance(node.value, dict):
        return {key: plain(held) for key, held in node.value.items()}
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    return node.value


def nearest(root: Node, path: Path) -> tuple[Node, bool]:
    """The node at a path, or the deepest above it that exists; the flag says whether it is the very one.

    A name inside a list of one-entry maps is found in whichever entry has it.
    """
    node = root
    for part in path:
        below = _below(node, part)
        if below is None:
            return node, False
        node = below
    return node, True


def _below(node: Node, part: str | int) -> Node | None:
    if isinstance(node.value, dict):
        name = str(part)
        return node.value.get(name) or node.value.get(name.lower())
    if isinstance(node.value, list):
        if isinstance(part, int):
            return node.value[part] if part < len(node.value) else None
        found = (_below(item, part) for item in reversed(node.value) if isinstance(item.value, dict))
        return next((item for item in found if item is not None), None)
    return None


def texts(node: Node) -> Iterator[Node]:
    """Every text node in the tree."""
    if isinstance(node.value, str):
        yield node
    elif isinstance(node.value, dict):
        for held in node.value.values():
            yield from texts(held)
    elif isinstance(node.value, list):
        for item in node.value:
            yield from texts(item)


def from_environment(origin: Origin, variables: Iterable[str], unset: Iterable[str]) -> Origin:
    """The same place, with the variables its text was made of, each once."""
    source = Source.OVERRIDE if origin.source is Source.OVERRIDE else Source.ENVIRONMENT
    return replace(origin, source=source, variables=tuple(dict.fromkeys(variables)), unset=tuple(dict.fromkeys(unset)))


def dotted(path: Path) -> str:
    """A path as keys are written in messages."""
    return ".".join(str(part) for part in path)


Environ = Mapping[str, str]
