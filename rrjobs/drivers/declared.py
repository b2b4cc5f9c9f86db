"""Values of a declaration at run time, where PHP sends everything as text (spec/jobs-and-rpc.md 2.1)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError

from rrjobs.errors import DriverError
from rrjobs.runtime.section import FROM_FILE, Section
from rrjobs.runtime.section_errors import in_a_line

S = TypeVar("S", bound=Section)


def integer(spec: Mapping[str, str], key: str, default: int) -> int:
    """A decimal number; the default when there is none or it is something else."""
    try:
        return int(spec.get(key, ""))
    except ValueError:
        return default


def positive(spec: Mapping[str, str], key: str, default: int) -> int:
    """The same, where zero and less stand for the default too."""
    value = integer(spec, key, default)
    return value if value > 0 else default


def flag(spec: Mapping[str, str], key: str, default: bool = False) -> bool:
    """`true` is true, any other text is false."""
    return spec[key] == "true" if key in spec else default


def given(spec: Mapping[str, str], key: str) -> bool:
    """Whether a value stands there: PHP writes an empty one, or null, for none."""
    return spec.get(key) not in (None, "", "null")


def json_object(key: str, text: str) -> dict[str, Any]:
    """What stands in the text of a key that is a section, without what is null. Raises DriverError."""
    try:
        found = orjson.loads(text)
    except ValueError as err:
        raise DriverError(f"{key} is not JSON: {err}") from err
    if isinstance(found, list) and not found:
        return {}  # PHP writes an empty map so
    if not isinstance(found, dict):
        raise DriverError(f"{key} is not a JSON object")
    return {name: value for name, value in found.items() if value is not None}


def validated(model: type[S], settings: Mapping[str, Any], *above: str) -> S:
    """A section that stands under the keys `above`, held against the same rules as in the file. Raises DriverError."""
    with plain_refusals(*above):
        return model.model_validate(settings, context=FROM_FILE)


@contextmanager
def plain_refusals(*above: str) -> Iterator[None]:
    """What a section that is made here does not take is a DriverError of one line."""
    try:
        yield
    except ValidationError as err:
        raise DriverError(in_a_line(err, above)) from err
    except ValueError as err:
        raise DriverError(str(err)) from err
