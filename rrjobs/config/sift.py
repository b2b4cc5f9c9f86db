"""From the tree to the data a model validates: keys that are no model's business are told about and left out."""

from rrjobs.config.nodes import Node, Path, plain
from rrjobs.config.problems import Findings, did_you_mean
from rrjobs.config.shape import (
    DRIVERS,
    driver_model,
    is_driver_config,
    keys,
    kind_of,
    named_sections_of,
    section_of,
)
from rrjobs.runtime.section import Section
from rrjobs.runtime.values import DURATION

_SMALLEST_LIKELY_NS = 1_000_000
_NOTHING: tuple[object, ...] = ({}, [], "", False, "\n")
"""Values that ask for nothing of a feature; the last one is what `logs.line_ending` would do anyway.

Not so at the top level: an empty section starts its plugin in RoadRunner.
"""


def sift(model: type[Section], node: Node, path: Path, findings: Findings) -> object:
    """Plain data of a section: without tolerated, unavailable and null keys, which RoadRunner takes for absent."""
    if not isinstance(node.value, dict):
        return plain(node)
    fields = {key: field for _, key, field in keys(model)}
    data: dict[str, object] = {}
    for key, held in node.value.items():
        at = (*path, key)
        if held.value is None or _set_aside(model, key, held, at, findings):
            continue
        field = fields.get(key)
        if field is None:
            data[key] = plain(held)
        elif named := named_sections_of(field):
            data[key] = _sift_named(named, held, at, findings)
        elif section := section_of(field):
            data[key] = _sift_section(section, held, node, at, findings)
        else:
            data[key] = plain(held)
            if kind_of(field) == DURATION:
                _warn_of_nanoseconds(held, at, findings)
    if "driver" in fields:
        _check_driver(node, data, path, findings)
    return data


def _set_aside(model: type[Section], key: str, held: Node, at: Path, findings: Findings) -> bool:
    if key in model.tolerated:
        findings.warn(held.named_at, at, f"ignored: {model.tolerated[key]}")
        return True
    if key in model.not_yet:
        if held.value not in _NOTHING or len(at) == 1:
            reason = model.not_yet[key]
            findings.unavailable(held.named_at, at, f"not available yet{f': {reason}' if reason else ''}; remove it")
        return True
    return False


def _sift_named(model: type[Section], node: Node, path: Path, findings: Findings) -> object:
    if isinstance(node.value, list):
        return [_sift_named(model, item, path, findings) for item in node.value]
    if not isinstance(node.value, dict):
        return plain(node)
    return {
        name: sift(model, held, (*path, name), findings) for name, held in node.value.items() if held.value is not None
    }


def _sift_section(model: type[Section], node: Node, parent: Node, path: Path, findings: Findings) -> object:
    known = driver_model(parent) if is_driver_config(model) else model
    return plain(node) if known is None else sift(known, node, path, findings)


def _check_driver(node: Node, data: dict[str, object], path: Path, findings: Findings) -> None:
    """A pipeline's driver must be one of ours; without one, its `config` cannot be judged."""
    name = node.text("driver")
    if name in DRIVERS:
        data.setdefault("config", {})
        return
    data["config"] = Section()
    held = node.get("driver")
    if held is None:
        return
    from rrjobs.drivers.table import NOT_YET  # imported here: it brings the interfaces of the pipeline along

    if name in NOT_YET:
        findings.unavailable(held.origin, (*path, "driver"), f"the driver {name} is not available yet; memory is")
    else:
        findings.error(held.origin, (*path, "driver"), f"unknown driver {name!r}, {did_you_mean(name, DRIVERS)}")


def _warn_of_nanoseconds(node: Node, path: Path, findings: Findings) -> None:
    number = node.value
    if isinstance(number, int) and not isinstance(number, bool) and 0 < number < _SMALLEST_LIKELY_NS:
        text = f"{number} means {number} nanoseconds; write {number}s for seconds"
        findings.warn(node.origin, path, text)
