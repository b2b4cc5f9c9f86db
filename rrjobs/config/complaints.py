"""What pydantic found, in the words of somebody who edits a configuration file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rrjobs.config.masking import mask_text
from rrjobs.config.nodes import Node, Path, dotted, nearest
from rrjobs.config.problems import Findings, closest, did_you_mean
from rrjobs.config.shape import DRIVERS, driver_model, is_driver_config, keys, named_sections_of, section_of
from rrjobs.runtime.section import Section
from rrjobs.runtime.section_errors import told

_WORD = "literal["
"""How pydantic names the branch of a word, in the place of an error."""


def complain(error: ValidationError, model: type[Section], root: Node, findings: Findings) -> None:
    """Note every error of a validation at the place of its key or value."""
    for loc, detail in _of_what_is_written(error.errors(include_url=False), root):
        path = _written_path(loc, model, root)
        if detail["type"] == "extra_forbidden":
            _note_misspelt(path, model, root, findings)
        node, exact = nearest(root, path)
        text = _text(detail, path, model, root)
        kind = detail["type"]
        origin = node.named_at if kind in ("extra_forbidden", "missing") or not exact else node.origin
        if exact and node.origin.variables and kind != "extra_forbidden":
            text += f" (the value of {', '.join(node.origin.variables)})"
        findings.error(origin, path, mask_text(dotted(path), text, detail["input"]))
    findings.settle()


def _of_what_is_written(details: Sequence[ErrorDetails], root: Node) -> Iterator[tuple[Path, ErrorDetails]]:
    """Where a key takes a word or a section pydantic complains about both: only what is wrong with the written one."""
    words = {detail["loc"][:-1] for detail in details if str(detail["loc"][-1]).startswith(_WORD)}
    for detail in details:
        loc = detail["loc"]
        key = next((path for path in words if loc[: len(path)] == path), None)
        if key is None:
            yield loc, detail
        elif not isinstance(nearest(root, key)[0].value, dict):
            if str(loc[-1]).startswith(_WORD):
                expected = {"expected": f"{detail.get('ctx', {})['expected']} or a section"}
                yield key, {**detail, "ctx": expected}
        elif not str(loc[-1]).startswith(_WORD):
            yield (*key, *loc[len(key) + 1 :]), detail


def _note_misspelt(path: Path, model: type[Section], root: Node, findings: Findings) -> None:
    owner = model_at(path[:-1], model, root)
    close = closest(str(path[-1]), [key for _, key, _ in keys(owner)]) if owner else None
    if close is not None and not nearest(root, (*path[:-1], close))[1]:
        findings.misspelt((*path[:-1], close))


def _written_path(path: Path, model: type[Section], root: Node) -> Path:
    """The path itself, or where else its field may be written if it is written there."""
    if not path or nearest(root, path)[1]:
        return path
    owner = model_at(path[:-1], model, root)
    other = owner.fallbacks.get(str(path[-1])) if owner else None
    moved = (*path[:-1], *other.split(".")) if other else path
    return moved if nearest(root, moved)[1] else path


def _text(detail: ErrorDetails, path: Path, model: type[Section], root: Node) -> str:
    if detail["type"] == "extra_forbidden":
        return _unknown(str(path[-1]), model_at(path[:-1], model, root), nearest(root, path[:-1])[0])
    text = told(detail)
    return text + _meant(detail["input"], detail["ctx"]) if detail["type"] == "literal_error" else text


def _meant(given: object, context: Mapping[str, Any]) -> str:
    known = [word.strip("' ") for word in context["expected"].replace(" or ", ",").split(",")]
    close = closest(given, known) if isinstance(given, str) else None
    return f", did you mean {close!r}?" if close else ""


def _unknown(key: str, model: type[Section] | None, node: Node) -> str:
    """An unknown key of the section at `node`: a misspelt one, or one that belongs a level deeper."""
    if model is None:
        return "unknown key"
    if key in model.misplaced:
        return f"does not belong here: {model.misplaced[key]}"
    known = {name: field for _, name, field in keys(model)}
    for name, field in known.items():
        below = section_of(field)
        if is_driver_config(below):
            below = driver_model(node)
        if below is not None and key in {inner for _, inner, _ in keys(below)}:
            return f"unknown key here, it belongs into `{name}`"
    return f"unknown key, {did_you_mean(key, known)}"


def model_at(path: Sequence[str | int], model: type[Section], root: Node) -> type[Section] | None:
    """The model of the section at a path."""
    current: type[Section] | None = model
    position = 0
    while current is not None and position < len(path):
        field = next((field for _, key, field in keys(current) if key == path[position]), None)
        position += 1
        if field is None:
            return None
        named = named_sections_of(field)
        position += named is not None
        current = named or section_of(field)
        if is_driver_config(current):
            pipeline, _ = nearest(root, tuple(path[: position - 1]))
            current = DRIVERS.get(pipeline.text("driver"))
    return current
