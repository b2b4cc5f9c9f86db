"""Environment variables in values, by RoadRunner's rules (spec/worker-and-http.md 7.3).

`$NAME` and `${NAME}` are the variable's value, empty when it is not set; `${NAME:-default}` is the default when it is
unset or empty. Once `:-` stands anywhere in a value every reference in it must have a default, or the whole value
becomes empty. There is no escape for a dollar sign.
"""

from dataclasses import dataclass

from rrjobs.config.nodes import Environ, Node, from_environment, texts
from rrjobs.config.problems import Findings

_SPECIAL = frozenset("*#$@!?-0123456789")
_NAME = frozenset("_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DEFAULT = ":-"


@dataclass(frozen=True, slots=True)
class Expanded:
    """A value after expansion: which names it referred to, which of them had no value, whether `:-` emptied it."""

    text: str
    names: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    emptied: bool = False


def expand(text: str, environ: Environ) -> Expanded:
    """One value with its references replaced; a value put in is not looked at again."""
    if "$" not in text:
        return Expanded(text)
    needs_default = _DEFAULT in text
    pieces: list[str] = []
    names: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) != -1 and dollar + 1 < len(text):
        pieces.append(text[position:dollar])
        reference, width = _reference(text, dollar + 1)
        position = dollar + 1 + width
        if not reference:
            pieces.append("" if width else "$")
            continue
        name, separator, default = reference.partition(_DEFAULT)
        if needs_default and (not separator or _DEFAULT in default):
            return Expanded("", (*names, name), emptied=True)
        names.append(name)
        pieces.append(environ.get(name, "") or default)
    pieces.append(text[position:])
    return Expanded("".join(pieces), tuple(names), tuple(name for name in names if not environ.get(name)))


def _reference(text: str, start: int) -> tuple[str, int]:
    """What follows a dollar sign: the name, with its default in braces, and how many characters it takes.

    An empty name with a width is bad syntax that is skipped; without one, the dollar stands for itself.
    """
    if text[start] == "{":
        if text[start + 1 : start + 2] in _SPECIAL and text[start + 2 : start + 3] == "}":
            return text[start + 1], 3
        end = text.find("}", start)
        return ("", 1) if end == -1 else (text[start + 1 : end], end + 1 - start)
    if text[start] in _SPECIAL:
        return text[start], 1
    end = start
    while end < len(text) and text[end] in _NAME:
        end += 1
    return text[start:end], end - start


def expand_tree(root: Node, environ: Environ, findings: Findings) -> None:
    """Expand every text of a tree in place, noting in its origin which variables it came from."""
    for node in texts(root):
        result = expand(str(node.value), environ)
        if result.emptied:
            findings.warn(
                node.origin,
                (),
                "becomes empty: once a reference has a default, every one in the value needs one, "
                f"write ${{{result.names[-1]}:-}}",
            )
        if result.names:
            node.origin = from_environment(node.origin, result.names, result.unset)
        node.value = result.text
