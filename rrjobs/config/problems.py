"""Findings in a configuration: where, which key, what is wrong, what would be right."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from rrjobs.config.nodes import Node, Origin, Path, dotted, nearest


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding; as text it is `file:line:column: key.path: what is wrong, what would be right`.

    `not_yet`: nothing is wrong with the key, but what it asks for does not exist here.
    """

    origin: Origin
    key: str
    text: str
    not_yet: bool = False

    def __str__(self) -> str:
        return ": ".join(part for part in (self.origin.place, self.key, self.text) if part)


@dataclass(slots=True)
class Findings:
    """All that was found so far: errors, which refuse the configuration, and warnings."""

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    _misspelt: set[str] = field(default_factory=set)

    def error(self, origin: Origin, path: Path, text: str) -> None:
        """Note an error once."""
        _add(self.errors, Problem(origin, dotted(path), text))

    def unavailable(self, origin: Origin, path: Path, text: str) -> None:
        """Note an error about something that does not exist yet, once."""
        _add(self.errors, Problem(origin, dotted(path), text, not_yet=True))

    def warn(self, origin: Origin, path: Path, text: str) -> None:
        """Note a warning once."""
        _add(self.warnings, Problem(origin, dotted(path), text))

    def about(self, key: str) -> bool:
        """Whether there is an error about a key."""
        return any(one.key == key for one in self.errors)

    def misspelt(self, path: Path) -> None:
        """This key is not written, but one that is not known was meant for it: that it lacks is no error of its own."""
        self._misspelt.add(dotted(path))

    def settle(self) -> None:
        """Once everything was looked at: forget what only follows from other errors."""
        self.errors = [one for one in self.errors if one.key not in self._misspelt]

    def error_at(self, root: Node, path: Path, text: str) -> None:
        """Note an error at the key of a path, or at the nearest one above it that is written."""
        self.error(nearest(root, path)[0].named_at, path, text)

    def warn_at(self, root: Node, path: Path, text: str) -> None:
        """Note a warning at the key of a path, or at the nearest one above it that is written."""
        self.warn(nearest(root, path)[0].named_at, path, text)


def _add(problems: list[Problem], problem: Problem) -> None:
    if problem not in problems:
        problems.append(problem)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """As a reader goes through the files: by file in the order they were read, then by line."""
    listed = list(problems)
    files = {name: number for number, name in reversed(list(enumerate(one.origin.file for one in listed)))}
    return sorted(listed, key=lambda one: (files[one.origin.file], one.origin.line, one.origin.column))


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name somebody may have meant."""
    from difflib import get_close_matches  # imported here: only wrong configurations need it

    found = get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question for error messages: the closest known name, or else a list of all of them."""
    names = sorted(known)
    close = closest(name, names)
    if close is not None:
        return f"did you mean `{close}`?"
    return f"known here: {', '.join(names)}" if names else "no key is known here"
