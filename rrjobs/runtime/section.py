"""The base of every configuration section, a frozen pydantic model.

Attribute names carry units, keys in the file are RoadRunner's: `allocate_timeout_s` is the key `allocate_timeout`.
What a section knows about keys beyond its fields stands in four tables:

- `tolerated`: keys that RoadRunner files have and that do nothing, with the reason; accepted with a warning.
- `not_yet`: keys of features that do not exist here yet; refused, unless they are empty.
- `misplaced`: keys that somebody may expect here, with the reason why they cannot be; refused.
- `fallbacks`: fields that may also be written elsewhere in the section, for the place an effective value came from.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import AliasGenerator, BaseModel, ConfigDict, Field, JsonValue

FROM_FILE = {"from": "file"}
"""Validation context of values read from a file: there a bare number for a duration is nanoseconds."""

FACTS = "x-rrjobs"
"""Where a field's schema keeps what only the reference needs."""

_UNIT_SUFFIXES = ("_s", "_mib")


def key_of(attribute: str) -> str:
    """The key in the file of a model's attribute."""
    for suffix in _UNIT_SUFFIXES:
        attribute = attribute.removesuffix(suffix)
    return attribute


class Section(BaseModel):
    """One section of the configuration; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        defer_build=True,
        extra="forbid",
        populate_by_name=True,
        coerce_numbers_to_str=True,
        alias_generator=AliasGenerator(alias=key_of),
    )

    tolerated: ClassVar[Mapping[str, str]] = {}
    not_yet: ClassVar[Mapping[str, str]] = {}
    misplaced: ClassVar[Mapping[str, str]] = {}
    fallbacks: ClassVar[Mapping[str, str]] = {}


def setting(default: Any, meaning: str, *, unit: str = "", differs: str = "", **rules: Any) -> Any:
    """A field with what the reference says of it: meaning, unit, and how it differs from RoadRunner's key.

    `default` is a value, a callable that makes one, or `...` for a required key; `rules` go to pydantic's Field.
    """
    facts: dict[str, JsonValue] = {name: text for name, text in (("unit", unit), ("differs", differs)) if text}
    rules |= {"description": meaning, "json_schema_extra": {FACTS: facts} if facts else None}
    return Field(default_factory=default, **rules) if callable(default) else Field(default, **rules)
