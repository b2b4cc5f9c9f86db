"""Overrides from the command line: `-o key.path=value` (spec/worker-and-http.md 7.4)."""

from collections.abc import Sequence

from rrjobs.config.nodes import Environ, Node, Origin, Source, from_environment
from rrjobs.config.problems import Findings
from rrjobs.config.variables import expand

_QUOTES = "\"'`"
_BLANK = " \n\t"


def parse_override(text: str) -> tuple[str, str]:
    """The key path in lower case and the value; raises ValueError for what is not `key=value`."""
    if "=" not in text:
        raise ValueError(f"invalid flag `{text}`: write -o key.path=value")
    key, _, value = text.lstrip(f" {_QUOTES}").partition("=")
    key, value = key.strip(_BLANK), value.strip(_BLANK)
    if not all(key.split(".")):
        raise ValueError(f"key should not be empty in `{text}`: write -o key.path=value")
    if not value:
        raise ValueError(f"value should not be empty in `{text}`: write -o key.path=value")
    return key.lower(), _unquote(value)


def _unquote(value: str) -> str:
    quote = value[0]
    if quote not in _QUOTES:
        return value
    return value.removeprefix(quote).removesuffix(quote).replace(f"\\{quote}", quote)


def apply_overrides(root: Node, overrides: Sequence[str], environ: Environ, findings: Findings) -> None:
    """Set each override's value in the tree, making the levels above it; later ones win."""
    for text in overrides:
        try:
            key, raw = parse_override(text)
        except ValueError as err:
            findings.error(Origin(Source.OVERRIDE, "-o"), (), str(err))
            continue
        origin = Origin(Source.OVERRIDE, f"-o {key}")
        value = expand(raw, environ)
        if value.names:
            origin = from_environment(origin, value.names, value.unset)
        _set(root, key.split("."), Node(value.text, origin, origin), findings)


def _set(root: Node, path: list[str], node: Node, findings: Findings) -> None:
    level = root
    for number, part in enumerate(path[:-1]):
        entries = level.entries()
        below = entries.get(part)
        if below is None or below.value is None:
            below = entries[part] = Node({}, node.origin, node.key)
        elif isinstance(below.value, list) and all(isinstance(item.value, dict) for item in below.value):
            below.value.append(Node({}, node.origin))  # a list of one-entry maps gets one more
            below = below.value[-1]
        elif not isinstance(below.value, dict):
            above = ".".join(path[: number + 1])
            findings.error(node.origin, tuple(path), f"`{above}` is a value, not a section: override it as a whole")
            return
        level = below
    level.entries()[path[-1]] = node
