"""JSON on protobuf methods, by the rules of Go's struct tags: snake_case names, base64 bytes, zero values left out.

Source: spec/jobs-and-rpc.md 1.3. Keys of requests match in any case, unknown ones are ignored, null is the zero value.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson

from rrjobs.errors import RpcError
from rrjobs.rpc.schema import MESSAGES, SCALARS, Field

_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1)}
_TYPES = {"string": str, "bytes": str, "bool": bool, "int32": int, "int64": int, "uint64": int}


def parse_json(name: str, body: bytes) -> Any:
    """A message from a JSON object."""
    from rrjobs.rpc.messages import CLASSES

    message = CLASSES[name]()
    _fill(message, name, load_json(body))
    return message


def load_json(body: bytes) -> object:
    """Any JSON value; RpcError with the decoder's text."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as err:
        raise RpcError(f"the body is not JSON: {err}") from err


def dump_json(name: str, message: Any) -> bytes:
    """The JSON object of a message."""
    return orjson.dumps(_pick(message, name))


def json_name(value: object) -> str:
    """What JSON calls a value of that kind, for messages."""
    names: Mapping[type, str] = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")


def _pick(message: Any, name: str) -> dict[str, object]:
    picked: dict[str, object] = {}
    for field in MESSAGES[name]:
        if not field.repeated and not field.is_map and field.kind not in SCALARS:
            if message.HasField(field.name):
                picked[field.name] = _pick(getattr(message, field.name), field.kind)
            continue
        value = getattr(message, field.name)
        if value:
            picked[field.name] = _plain(field, value)
    return picked


def _plain(field: Field, value: Any) -> object:
    if field.is_map:
        return {key: _one(field.kind, one) for key, one in value.items()}
    if field.repeated:
        return [_one(field.kind, one) for one in value]
    return _one(field.kind, value)


def _one(kind: str, value: Any) -> object:
    if kind == "bytes":
        return base64.b64encode(value).decode()
    return value if kind in SCALARS else _pick(value, kind)


def _fill(message: Any, name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        raise RpcError(f"json: {name} is an object, not {json_name(value)}")
    fields = {field.name: field for field in MESSAGES[name]}
    for key, one in value.items():
        field = fields.get(key) or fields.get(key.lower())
        if field is not None and one is not None:
            _set(message, name, field, one)


def _set(message: Any, name: str, field: Field, value: object) -> None:
    where = f"{name}.{field.name}"
    if field.is_map:
        _set_map(getattr(message, field.name), where, field.kind, value)
    elif field.repeated:
        _set_list(getattr(message, field.name), where, field.kind, value)
    elif field.kind in SCALARS:
        setattr(message, field.name, _scalar(where, field.kind, value))
    else:
        child = getattr(message, field.name)
        child.SetInParent()
        _fill(child, field.kind, value)


def _set_map(slot: Any, where: str, kind: str, value: object) -> None:
    if not isinstance(value, dict):
        raise RpcError(f"json: {where} is an object, not {json_name(value)}")
    for key, one in value.items():
        if kind in SCALARS:
            slot[key] = "" if one is None else _scalar(where, kind, one)
        else:
            _fill(slot[key], kind, one)


def _set_list(slot: Any, where: str, kind: str, value: object) -> None:
    if not isinstance(value, list):
        raise RpcError(f"json: {where} is an array, not {json_name(value)}")
    for one in value:
        if kind in SCALARS:
            slot.append("" if one is None else _scalar(where, kind, one))
        else:
            _fill(slot.add(), kind, one)


def _scalar(where: str, kind: str, value: object) -> object:
    if type(value) is not _TYPES[kind]:
        raise RpcError(f"json: {where} is a {kind}, not {json_name(value)}")
    if kind == "bytes":
        try:
            return base64.b64decode(str(value), validate=True)
        except binascii.Error as err:
            raise RpcError(f"json: {where} is not base64: {err}") from err
    if isinstance(value, int) and kind in _RANGES:
        low, high = _RANGES[kind]
        if not low <= value <= high:
            raise RpcError(f"json: {where} is {value}, which is no {kind}")
    return value
