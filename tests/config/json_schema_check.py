"""As much of JSON Schema as ours uses; an unknown keyword is an error, so that nothing passes unchecked."""

import re

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}
_TOLD = {"$schema", "title", "description", "default", "deprecated", "examples", "$defs"}


def violations(value, schema, top=None, path="$"):
    """What is wrong with a value, as lines; empty when it is valid."""
    top = schema if top is None else top
    found = []
    for keyword, rule in schema.items():
        if keyword not in _TOLD:
            found += _CHECKS[keyword](value, rule, schema, top, path)
    return found


def _type(value, rule, schema, top, path):
    names = rule if isinstance(rule, list) else [rule]
    return [] if any(_is(value, name) for name in names) else [f"{path}: not {rule}"]


def _is(value, name):
    if name in ("integer", "number"):
        whole = isinstance(value, int) or (name == "number" and isinstance(value, float))
        return whole and not isinstance(value, bool)
    return isinstance(value, _TYPES[name])


def _ref(value, rule, schema, top, path):
    return violations(value, top["$defs"][rule.removeprefix("#/$defs/")], top, path)


def _any_of(value, rule, schema, top, path):
    tried = [violations(value, option, top, path) for option in rule]
    return [] if any(not one for one in tried) else [f"{path}: none of its forms: {tried}"]


def _all_of(value, rule, schema, top, path):
    return [line for option in rule for line in violations(value, option, top, path)]


def _if(value, rule, schema, top, path):
    return [] if violations(value, rule, top, path) else violations(value, schema["then"], top, path)


def _properties(value, rule, schema, top, path):
    if not isinstance(value, dict):
        return []
    return [line for key in value if key in rule for line in violations(value[key], rule[key], top, f"{path}.{key}")]


def _additional(value, rule, schema, top, path):
    if not isinstance(value, dict):
        return []
    patterns = schema.get("patternProperties", {})
    others = [
        key
        for key in value
        if key not in schema.get("properties", {}) and not any(re.search(one, key) for one in patterns)
    ]
    if rule is False:
        return [f"{path}.{key}: unknown" for key in others]
    if rule is True:
        return []
    return [line for key in others for line in violations(value[key], rule, top, f"{path}.{key}")]


def _patterns(value, rule, schema, top, path):
    if not isinstance(value, dict):
        return []
    return [
        line
        for key in value
        for pattern, held in rule.items()
        if re.search(pattern, key)
        for line in violations(value[key], held, top, f"{path}.{key}")
    ]


def _items(value, rule, schema, top, path):
    if not isinstance(value, list):
        return []
    return [line for number, item in enumerate(value) for line in violations(item, rule, top, f"{path}[{number}]")]


def _when(kind, holds):
    def check(value, rule, schema, top, path):
        applies = isinstance(value, kind) and not isinstance(value, bool)
        return [] if not applies or holds(value, rule) else [f"{path}: breaks {rule}"]

    return check


_CHECKS = {
    "type": _type,
    "$ref": _ref,
    "anyOf": _any_of,
    "allOf": _all_of,
    "if": _if,
    "then": lambda *_: [],
    "properties": _properties,
    "additionalProperties": _additional,
    "patternProperties": _patterns,
    "items": _items,
    "required": _when(dict, lambda value, rule: set(rule) <= set(value)),
    "enum": lambda value, rule, schema, top, path: [] if value in rule else [f"{path}: not in {rule}"],
    "const": lambda value, rule, schema, top, path: [] if value == rule else [f"{path}: not {rule}"],
    "pattern": _when(str, lambda value, rule: re.search(rule, value) is not None),
    "minimum": _when((int, float), lambda value, rule: value >= rule),
    "maximum": _when((int, float), lambda value, rule: value <= rule),
    "minLength": _when(str, lambda value, rule: len(value) >= rule),
    "minItems": _when(list, lambda value, rule: len(value) >= rule),
    "maxProperties": _when(dict, lambda value, rule: len(value) <= rule),
}
