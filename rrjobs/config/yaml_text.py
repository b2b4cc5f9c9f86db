"""YAML (and so JSON) text to a tree of nodes with positions; every error has its line."""

from dataclasses import dataclass

import yaml

from rrjobs.config.nodes import Node, Origin, Path, Scalar, Source
from rrjobs.config.problems import Findings
from rrjobs.config.scalars import resolve_plain

MAX_NODES = 100_000
MAX_DEPTH = 64
_PLAIN = "plain"
_TAG = "tag:yaml.org,2002:"
_TAGS = {f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "map", "seq")}
_HINTS = (
    ("cannot start any token", "indent with spaces, and quote values that begin with @, ` or %"),
    ("mapping values are not allowed", "check the indentation, or quote the value"),
    ("did not find expected key", "check the indentation of this line and those above"),
    ("did not find expected '-' indicator", "check the indentation of this list"),
    ("expected ',' or '}'", "close the brace, and quote ${NAME} inside of braces"),
    ("undefined alias", "define it with & before it is used with *"),
    ("expected a single document", "a configuration file holds one document: remove the `---`"),
    ("quoted scalar", "close the quote"),
)


class _Loader(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]  # chosen at run time
    """Composes nodes; leaves plain scalars to us, since PyYAML reads them by YAML 1.1."""

    def resolve(self, kind: type[yaml.Node], value: object, implicit: object) -> str:
        if kind is yaml.ScalarNode:
            return _PLAIN if isinstance(implicit, tuple) and implicit[0] else f"{_TAG}str"
        return f"{_TAG}map" if kind is yaml.MappingNode else f"{_TAG}seq"


def parse_yaml(text: str, file: str, source: Source, findings: Findings) -> Node | None:
    """The tree of a file's text; None when it cannot be read as YAML at all, which is then among the findings."""
    try:
        top = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as err:
        findings.error(_place(err.problem_mark, file, source), (), _syntax(err))
        return None
    except (yaml.YAMLError, RecursionError) as err:
        reason = "nested too deeply" if isinstance(err, RecursionError) else str(err).splitlines()[0]
        findings.error(Origin(source, file, 1, 1), (), f"not YAML: {reason}")
        return None
    if top is None:
        return Node({}, Origin(source, file, 1, 1))
    return _Walk(file, source, findings).node(top, (), literal=False)


def _place(mark: yaml.Mark | None, file: str, source: Source) -> Origin:
    return Origin(source, file, mark.line + 1, mark.column + 1) if mark else Origin(source, file, 1, 1)


def _syntax(err: yaml.MarkedYAMLError) -> str:
    problem = " ".join(part for part in (err.context, err.problem) if part)
    hint = next((advice for sign, advice in _HINTS if sign in problem), "check indentation and quotes around here")
    return f"not YAML: {problem}; {hint}"


@dataclass(slots=True)
class _Walk:
    """One pass over composed nodes; aliases are followed within limits."""

    file: str
    source: Source
    findings: Findings
    left: int = MAX_NODES

    def node(self, raw: yaml.Node, path: Path, *, literal: bool) -> Node:
        """The node and everything below it. In lists keys are `literal`: a dot in them separates nothing."""
        origin = _place(raw.start_mark, self.file, self.source)
        self.left -= 1
        if self.left < 0 or len(path) > MAX_DEPTH:
            if self.left == -1 or len(path) > MAX_DEPTH:
                self.findings.error(origin, (), "nested too deeply, or aliases that repeat too much: write it out")
            return Node(None, origin)
        if isinstance(raw, yaml.MappingNode):
            return Node(self._entries(raw, path, literal), origin)
        if isinstance(raw, yaml.SequenceNode):
            items = [self.node(item, (*path, number), literal=True) for number, item in enumerate(raw.value)]
            return Node(items, origin)
        return Node(self._scalar(raw, path, origin), origin)

    def _scalar(self, raw: yaml.Node, path: Path, origin: Origin) -> Scalar:
        text = str(raw.value)
        if raw.tag == _PLAIN:
            return resolve_plain(text)
        if raw.tag in _TAGS:
            return resolve_plain(text)
        if raw.tag != f"{_TAG}str":
            self.findings.error(origin, path, f"has the unknown tag {raw.tag}: write the plain value")
        return text

    def _entries(self, raw: yaml.MappingNode, path: Path, literal: bool) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key, value in raw.value:
            place = _place(key.start_mark, self.file, self.source)
            if not isinstance(key, yaml.ScalarNode):
                self.findings.error(place, path, "a key must be a text, not a list or a map")
            elif not (key.value == "<<" and key.tag == _PLAIN):
                parts = _parts(str(key.value), literal)
                held = self.node(value, (*path, *parts), literal=literal)
                self._put(entries, parts, held, place, path)
        for key, value in raw.value:
            if isinstance(key, yaml.ScalarNode) and key.value == "<<" and key.tag == _PLAIN:
                self._merge(entries, value, path, literal)
        return entries

    def _put(self, entries: dict[str, Node], parts: list[str], held: Node, place: Origin, path: Path) -> None:
        for part in parts[:-1]:
            level = entries.setdefault(part, Node({}, held.origin, place))
            if not isinstance(level.value, dict):
                self._twice(level, place, (*path, *parts))
                return
            entries, path = level.value, (*path, part)
        name = parts[-1]
        held.key = place
        present = entries.get(name)
        if present is None:
            entries[name] = held
        elif isinstance(present.value, dict) and isinstance(held.value, dict) and self._dotted(present, held):
            for key, node in held.value.items():
                self._put(present.value, [key], node, node.named_at, (*path, name))
        else:
            self._twice(present, place, (*path, name))

    def _dotted(self, present: Node, held: Node) -> bool:
        """Whether one of two maps under a key was made by a dotted key, so that they are parts of one."""
        return any(node.key == entry.key for node in (present, held) for entry in node.entries().values())

    def _twice(self, present: Node, place: Origin, path: Path) -> None:
        first = present.named_at
        self.findings.error(place, path, f"given twice, first at line {first.line}: remove one of them")

    def _merge(self, entries: dict[str, Node], value: yaml.Node, path: Path, literal: bool) -> None:
        """A merge key: what is written beside it wins, and among several the first."""
        for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            merged = self.node(one, path, literal=literal)
            if not isinstance(merged.value, dict):
                self.findings.error(merged.origin, (*path, "<<"), "a merge takes a map: write <<: *name of a map")
                continue
            for key, node in merged.value.items():
                entries.setdefault(key, node)


def _parts(key: str, literal: bool) -> list[str]:
    """The levels of a key, in lower case; an empty one is part of its text."""
    lowered = key.lower()
    parts = lowered.split(".")
    return [lowered] if literal or not all(parts) else parts
