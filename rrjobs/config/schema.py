"""The JSON Schema of the configuration file, for editors; shipped as config/schema.json."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from rrjobs.config.drivers import MODELS
from rrjobs.config.root import Root
from rrjobs.config.shape import DRIVERS, is_driver_config, keys, kind_of, named_sections_of, section_of
from rrjobs.pipeline.config import PipelineConfig
from rrjobs.runtime.duration import format_duration
from rrjobs.runtime.section import FACTS, Section
from rrjobs.runtime.values import DURATION, SECONDS

Schema = dict[str, Any]

_VARIABLE: Schema = {"type": "string", "pattern": r"\$", "description": "A value with variables, ${NAME:-default}."}
_DOTTED = {r"\.": {"description": "A key with its levels joined by dots."}}
_SCALARS = ("integer", "number", "boolean")


def schema_text() -> str:
    """The schema as the text of its file."""
    return json.dumps(build_schema(), indent=2, ensure_ascii=False) + "\n"


def build_schema() -> Schema:
    """The schema of the whole file."""
    models = {model.__name__: model for model in sections(Root)}
    _, together = models_json_schema([(model, "validation") for model in models.values()], by_alias=True)
    definitions: dict[str, Schema] = together["$defs"]
    for name, model in models.items():
        _finish_section(definitions[name], model)
    _join_drivers(definitions)
    definitions["Variable"] = _VARIABLE
    root = definitions.pop(Root.__name__)
    del definitions[Section.__name__]
    root["patternProperties"] = {**_DOTTED, "^x-": {"description": "A place for anchors; not read."}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rrjobs",
        **{key: value for key, value in root.items() if key != "title"},
        "$defs": dict(sorted(definitions.items())),
    }


def sections(model: type[Section]) -> Iterator[type[Section]]:
    """A model and all below it, each once, in the order a reader meets them; a driver's after its pipeline's."""
    waiting: list[type[Section]] = [model]
    seen: set[type[Section]] = set()
    while waiting:
        current = waiting.pop(0)
        if current in seen:
            continue
        seen.add(current)
        yield current
        below = [named_sections_of(field) or section_of(field) for _, _, field in keys(current)]
        found = [DRIVERS[name] for name in DRIVERS] if any(is_driver_config(one) for one in below) else []
        found += [one for one in below if one is not None and not is_driver_config(one)]
        waiting[:0] = found


def _finish_section(schema: Schema, model: type[Section]) -> None:
    schema.pop("title", None)
    properties: dict[str, Schema] = schema.setdefault("properties", {})
    for attribute, key, field in keys(model):
        held = properties[key]
        facts = held.pop(FACTS, {})
        held.pop("title", None)
        if "unit" in facts:
            held["description"] = f"{held['description']} Unit: {facts['unit']}."
        if kind_of(field) in (DURATION, SECONDS) and "default" in held:
            held["default"] = format_duration(model.model_fields[attribute].default)
        if held.get("default", 0) is None:
            del held["default"]
        properties[key] = _or_variable(held)
    for key, reason in model.tolerated.items():
        properties[key] = {"deprecated": True, "description": f"Ignored: {reason}."}
    schema["patternProperties"] = _DOTTED


def _or_variable(schema: Schema) -> Schema:
    """A value that is not a text anyway may be one with variables in it; a map may be a list of maps."""
    told: Schema = {key: schema.pop(key) for key in ("description", "default") if key in schema}
    options = [option for option in schema.pop("anyOf", [schema]) if option != {"type": "null"}]
    options += [{"type": "array", "items": option} for option in options if "additionalProperties" in option]
    if any(option.get("type") in _SCALARS or "enum" in option for option in options):
        options.append({"$ref": "#/$defs/Variable"})
    if len(options) == 1:
        return {**told, **options[0]}
    return {**told, "anyOf": options}


def _join_drivers(definitions: dict[str, Schema]) -> None:
    """Say which `config` a pipeline has by its driver."""
    pipeline = definitions[PipelineConfig.__name__]
    pipeline["required"] = ["driver"]
    pipeline["properties"]["driver"]["examples"] = list(MODELS)
    pipeline["allOf"] = [
        {
            "if": {"properties": {"driver": {"const": name}}, "required": ["driver"]},
            "then": {"properties": {"config": {"$ref": f"#/$defs/{DRIVERS[name].__name__}"}}},
        }
        for name in MODELS
    ]
