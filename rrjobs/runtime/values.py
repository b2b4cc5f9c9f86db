"""Types of configuration values, as forgiving about how they are written as RoadRunner is.

`"4"` is a number, `"true"` a flag, `a,b` a list, a list of one-entry maps a map. Each parser raises ValueError with
what would be right.
"""

import re
from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticUseDefault

from rrjobs.runtime.duration import bounded, parse_duration

MAX_INTEGER = 2**63 - 1
_TRUE = frozenset({"true", "t", "1", "yes", "y", "on"})
_FALSE = frozenset({"false", "f", "0", "no", "n", "off", ""})


def parse_integer(value: object) -> int:
    """A whole number from a number or its text; the empty text is 0, as an unset variable leaves it."""
    number = _number(value)
    if number is None or abs(number) > MAX_INTEGER:
        raise ValueError(f"must be a whole number, got {shown(value)}")
    return number


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        text = value.strip().replace("_", "")
        digits = text.removeprefix("-").removeprefix("+")
        if not text:
            return 0
        return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
    return None


def parse_flag(value: object) -> bool:
    """A truth value from any of the words that mean one."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int) and (word := str(value).strip().lower()) in _TRUE | _FALSE:
        return word in _TRUE
    raise ValueError(f"must be true or false, got {shown(value)}")


def parse_names(value: object) -> tuple[str, ...]:
    """A list of texts; one text is split at commas."""
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    if isinstance(value, list | tuple):
        return tuple(_text(item) for item in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (str(value),)
    raise ValueError(f"must be a list of texts, got {shown(value)}")


def parse_map(value: object) -> object:
    """A map from a map or from a list of one-entry maps; anything else is left for the field's own check."""
    if isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value):
        return {key: held for item in value for key, held in item.items()}
    return value


def parse_environment(value: object) -> dict[str, str]:
    """Environment variables: names upper-cased, values as texts (true is 1, false is 0)."""
    entries = parse_map(value)
    if not isinstance(entries, Mapping):
        raise ValueError(f"must be a map of names to texts, got {shown(value)}")
    return {str(name).upper(): _variable(str(name), held) for name, held in entries.items()}


def _variable(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"the value of {name} must be a text, got {shown(value)} (a dot in a key separates levels)")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"must be a list of texts, but holds {shown(value)}")


def parse_seconds(value: object, info: ValidationInfo) -> float:
    """A duration in seconds. A bare whole number in a file is nanoseconds, in Python code it is seconds."""
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if info.context is None:
            return bounded(float(value))
        if isinstance(value, int):
            return bounded(value / 1e9)
        raise ValueError(f"has no unit: write {value}s for seconds")
    raise ValueError(f"must be a duration such as 30s, 300ms or 1h3m, got {shown(value)}")


def parse_seconds_or_default(value: object, info: ValidationInfo) -> float:
    """The same, where zero stands for the default."""
    return parse_seconds(value, info) or _use_default()


_DECIMAL = re.compile(r"[0-9]+\.[0-9]+", re.ASCII)


def parse_whole_seconds(value: object) -> float:
    """A number of seconds, or a duration with its unit."""
    number = _number(value)
    if number is not None:
        return bounded(float(number))
    if isinstance(value, float):
        return bounded(value)
    if isinstance(value, str):
        return bounded(float(value)) if _DECIMAL.fullmatch(value.strip()) else parse_duration(value)
    raise ValueError(f"must be a number of seconds, or a duration such as 30s, got {shown(value)}")


def parse_whole_seconds_or_default(value: object) -> float:
    """The same, where zero stands for the default."""
    return parse_whole_seconds(value) or _use_default()


def _use_default() -> float:
    raise PydanticUseDefault


def shown(value: object) -> str:
    """A value as an error message quotes it: short, and never the inside of a map."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class Kind(NamedTuple):
    """What a value is called in the reference, carried by its type."""

    name: str


DURATION = Kind("duration")
"""Its bare numbers in a file are nanoseconds."""

SECONDS = Kind("seconds")
"""Its bare numbers are seconds."""

_DURATION_SCHEMA = {"type": ["string", "integer"], "pattern": r"^\+?([0-9.]+(ns|us|µs|μs|ms|s|m|h))+$|^0$|\$"}
_SECONDS_SCHEMA = {"type": ["number", "string"], "minimum": 0}

Int = Annotated[int, Kind("integer"), BeforeValidator(parse_integer)]
Flag = Annotated[bool, Kind("boolean"), BeforeValidator(parse_flag)]
Names = Annotated[
    tuple[str, ...],
    Kind("list of texts"),
    PlainValidator(parse_names),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}),
]
Environment = Annotated[
    dict[str, str],
    Kind("map of texts"),
    PlainValidator(parse_environment),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}},
                {"type": "array", "items": {"type": "object", "maxProperties": 1}},
            ]
        }
    ),
]
Duration = Annotated[float, DURATION, PlainValidator(parse_seconds), WithJsonSchema(_DURATION_SCHEMA)]
DurationOrDefault = Annotated[
    float, DURATION, BeforeValidator(parse_seconds_or_default), WithJsonSchema(_DURATION_SCHEMA)
]
Seconds = Annotated[float, SECONDS, PlainValidator(parse_whole_seconds), WithJsonSchema(_SECONDS_SCHEMA)]
SecondsOrDefault = Annotated[
    float, SECONDS, BeforeValidator(parse_whole_seconds_or_default), WithJsonSchema(_SECONDS_SCHEMA)
]
