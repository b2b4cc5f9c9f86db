"""Protobuf classes built from the schema table; importing this module loads google.protobuf (50 ms, 7 MB)."""

from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from rrjobs.errors import RpcError
from rrjobs.rpc.schema import MESSAGES, SCALARS, Field

_PACKAGE = "rrjobs.rpc"
_TYPES = {kind: FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}") for kind in SCALARS}


def _build() -> dict[str, Any]:
    file = FileDescriptorProto(name="rrjobs/rpc.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add(message, field)
    pool = DescriptorPool()
    pool.Add(file)
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in MESSAGES}


def _add(message: DescriptorProto, field: Field) -> None:
    slot = message.field.add(name=field.name, number=field.number)
    slot.label = FieldDescriptorProto.LABEL_REPEATED if field.repeated or field.is_map else _OPTIONAL
    if not field.is_map:
        _set_type(slot, field.kind)
        return
    entry = message.nested_type.add(name=f"{field.name.capitalize()}Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_OPTIONAL, type=_TYPES["string"])
    _set_type(entry.field.add(name="value", number=2, label=_OPTIONAL), field.kind)
    slot.type = FieldDescriptorProto.TYPE_MESSAGE
    slot.type_name = f".{_PACKAGE}.{message.name}.{entry.name}"


def _set_type(slot: FieldDescriptorProto, kind: str) -> None:
    if kind in _TYPES:
        slot.type = _TYPES[kind]
    else:
        slot.type = FieldDescriptorProto.TYPE_MESSAGE
        slot.type_name = f".{_PACKAGE}.{kind}"


_OPTIONAL = FieldDescriptorProto.LABEL_OPTIONAL
CLASSES = _build()


def parse(name: str, body: bytes) -> Any:
    """The message of that name from its bytes; RpcError with the decoder's text when they are not one."""
    try:
        return CLASSES[name].FromString(body)
    except DecodeError as err:
        raise RpcError(f"the body is not a protobuf {name}: {err}") from err
