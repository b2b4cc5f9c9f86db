"""One line of the doctor's report."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What a finding means; `error` and `not yet` keep the server from starting, and fail the report."""

    OK = "ok"
    HINT = "hint"
    WARNING = "warning"
    DIFFERENT = "different"
    NOT_YET = "not yet"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what it means, and why in words."""

    subject: str
    state: State
    text: str
