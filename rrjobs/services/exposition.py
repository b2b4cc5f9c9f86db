"""Prometheus' text format, version 0.0.4.

Written here because the common Python client renames counters to end in `_total`, and RoadRunner's names do not
(spec/jobs-and-rpc.md 3.10).
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Sequence[tuple[str, str]]


class Sample(NamedTuple):
    """One line; `suffix` is put behind the family's name (`_bucket`, `_sum`, ...)."""

    value: float
    labels: Labels = ()
    suffix: str = ""


class Family(NamedTuple):
    """All samples of one name; `kind` is counter, gauge, histogram, summary or untyped."""

    name: str
    kind: str
    help: str
    samples: Sequence[Sample]


def single(name: str, kind: str, help: str, value: float) -> Family:
    """A family of one sample without labels."""
    return Family(name, kind, help, (Sample(value),))


def render(families: Iterable[Family]) -> bytes:
    """The whole text."""
    lines: list[str] = []
    for family in families:
        lines.append(f"# HELP {family.name} {_escaped_help(family.help)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        lines.extend(
            f"{family.name}{sample.suffix}{_labels(sample.labels)} {number(sample.value)}" for sample in family.samples
        )
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def number(value: float) -> str:
    """As Prometheus reads it: whole numbers without a point."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return _escaped_help(value).replace('"', '\\"')


def _escaped_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
