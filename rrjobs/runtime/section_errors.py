"""What pydantic found in a section, in the words of somebody who writes configurations."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rrjobs.runtime.section import key_of
from rrjobs.runtime.values import shown

_WHAT = {
    "string_type": "must be a text",
    "model_type": "must be a section: keys with values below it",
    "mapping_type": "must be a map of names",
    "dict_type": "must be a map of names",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "tuple_type": "must be a list",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}


def told(detail: ErrorDetails) -> str:
    """What is wrong with the value, without the key."""
    kind, given = detail["type"], detail["input"]
    context: Mapping[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown key"
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    if kind == "literal_error":
        return f"must be {context['expected']}, got {shown(given)}"
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        return f"must be {word} {_whole(context[bound])}, got {shown(_whole(given))}"
    if kind in ("too_short", "string_too_short"):
        return "should not be empty"
    if kind in _WHAT:
        return f"{_WHAT[kind]}, got {shown(given)}"
    return f"{detail['msg'][0].lower()}{detail['msg'][1:]}, got {shown(given)}"


def in_a_line(error: ValidationError, above: Sequence[str] = ()) -> str:
    """All of it; `above` are the keys that the section stands under."""
    return "; ".join(_with_key(detail, above) for detail in error.errors(include_url=False))


def _whole(value: object) -> object:
    """Seconds are floats, and mostly whole."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _with_key(detail: ErrorDetails, above: Sequence[str]) -> str:
    where = ".".join(key_of(str(part)) for part in (*above, *detail["loc"]))
    return f"{where}: {told(detail)}" if where else told(detail)
