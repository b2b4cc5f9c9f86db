"""The reference of all keys, docs/configuration.md: `python -m rrjobs.config.reference` prints it."""

import json
import sys
from collections.abc import Iterator
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from rrjobs.config.drivers import MODELS
from rrjobs.config.reference_text import INTRO, SECTIONS
from rrjobs.config.root import Root
from rrjobs.config.shape import DRIVERS, is_driver_config, keys, kind_of, named_sections_of, section_of
from rrjobs.drivers.table import NOT_YET
from rrjobs.runtime.duration import format_duration
from rrjobs.runtime.section import FACTS, Section
from rrjobs.runtime.values import DURATION, SECONDS

_HEAD = "| Key | Type | Default | Unit | Meaning | RoadRunner |\n|---|---|---|---|---|---|"


def reference() -> str:
    """The whole page."""
    parts = [INTRO, SECTIONS, *_section("", Root)]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _section(path: str, model: type[Section]) -> Iterator[str]:
    """A section's heading, table and remarks, then those below it; a pool is told once."""
    title = f"`{path}`" if path else "Top level"
    rows = [_HEAD, *(_row(key, field, model) for _, key, field in keys(model))]
    yield f"### {title}\n\n{_first_line(model)}\n\n" + "\n".join(rows)
    yield from _remarks(model)
    for _, key, field in keys(model):
        below, inner = _below(key, field)
        where = f"{path}.{inner}" if path else inner
        if is_driver_config(below):
            for name in MODELS:
                yield from _section(f"{where} (driver {name})", DRIVERS[name])
        elif below is not None and (below.__name__ not in _TOLD or _TOLD[below.__name__] == where):
            yield from _section(where, below)


_TOLD = {"PoolConfig": "http.pool", "FileLogConfig": "logs.file_logger_options"}
"""Sections that stand in several places: where each is told."""


def _below(key: str, field: FieldInfo) -> tuple[type[Section] | None, str]:
    named = named_sections_of(field)
    return (named, f"{key}.<name>") if named is not None else (section_of(field), key)


def _first_line(model: type[Section]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _row(key: str, field: FieldInfo, model: type[Section]) -> str:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    facts = extra.get(FACTS)
    told = facts if isinstance(facts, dict) else {}
    cells = (
        f"`{key}`",
        _type(field),
        _default(field),
        str(told.get("unit", "")),
        field.description or "",
        str(told.get("differs", "")),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(field: FieldInfo) -> str:
    kind = kind_of(field)
    if kind is not None:
        return kind.name
    for option in (field.annotation, *get_args(field.annotation)):
        words = _literal(option)
        if words:
            return words
    named, section = named_sections_of(field), section_of(field)
    if named is not None:
        return "map of sections"
    if section is not None:
        place = _TOLD.get(section.__name__)
        return f"section, see `{place}`" if place else "section"
    return _PLAIN_TYPES.get(str(field.annotation), "text")


_PLAIN_TYPES = {
    "tuple[float, ...]": "list of numbers",
    "collections.abc.Mapping[float, float]": "map of numbers",
}


def _literal(option: object) -> str:
    for held in (option, *get_args(option)):
        if get_origin(held) is Literal:
            return " or ".join(f"`{word}`" for word in get_args(held))
    return ""


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.default_factory is not None or section_of(field) is not None:
        return ""
    if value is PydanticUndefined:
        return "required"
    if kind_of(field) in (DURATION, SECONDS):
        return f"`{format_duration(value)}`"
    return "" if value is None or value in ((), "") else f"`{json.dumps(value)}`"


def _remarks(model: type[Section]) -> Iterator[str]:
    if model.tolerated:
        rows = "\n".join(f"- `{key}`: {reason}" for key, reason in model.tolerated.items())
        yield f"Accepted with a warning, and ignored:\n\n{rows}"
    if model.not_yet:
        names = ", ".join(f"`{key}`" for key in model.not_yet)
        yield f"Not available yet, and refused: {names}."
    if "driver" in model.model_fields:
        yield f"Drivers that are not available yet, and refused: {', '.join(f'`{name}`' for name in NOT_YET)}."


if __name__ == "__main__":
    sys.stdout.write(reference())
