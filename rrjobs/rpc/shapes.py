"""How the argument and the reply of a method look in each codec (spec/jobs-and-rpc.md 1.3)."""

import base64
import binascii
from typing import Any, Generic, Protocol, TypeVar

import orjson

from rrjobs.errors import RpcError
from rrjobs.rpc.codec import Codec
from rrjobs.rpc.jsonpb import dump_json, json_name, load_json, parse_json

T = TypeVar("T")


class Shape(Protocol[T]):
    """One type of argument or reply."""

    def writes(self, codec: Codec) -> str:
        """Why a reply of this shape cannot be sent in that codec, "" when it can; asked before the handler runs."""
        ...

    def read(self, codec: Codec, body: bytes) -> T:
        """The argument; an empty body is the zero value. Raises RpcError."""
        ...

    def write(self, codec: Codec, value: T) -> bytes:
        """The reply's body; never empty in JSON."""
        ...


class Message:
    """A protobuf message, by its name in the schema table."""

    def __init__(self, name: str) -> None:
        self._name = name

    def writes(self, codec: Codec) -> str:
        """Not as raw bytes."""
        return "unknown Raw payload type" if codec is Codec.RAW else ""

    def read(self, codec: Codec, body: bytes) -> Any:
        """From protobuf or JSON; a raw body is ignored."""
        from rrjobs.rpc.messages import CLASSES, parse

        if not body or codec is Codec.RAW:
            return CLASSES[self._name]()
        return parse(self._name, body) if codec is Codec.PROTO else parse_json(self._name, body)

    def write(self, codec: Codec, value: Any) -> bytes:
        """To protobuf or JSON."""
        if codec is Codec.PROTO:
            return value.SerializeToString()  # type: ignore[no-any-return]
        return dump_json(self._name, value)


class Empty(Message):
    """The message without fields, which needs no protobuf library; the value is None."""

    def __init__(self) -> None:
        super().__init__("Empty")

    def read(self, codec: Codec, body: bytes) -> None:
        """Whatever was sent is ignored."""
        return

    def write(self, codec: Codec, value: None) -> bytes:
        """Nothing, or an empty object."""
        return b"" if codec is Codec.PROTO else b"{}"


class Value(Generic[T]):
    """A plain value that travels as JSON; `zero` stands for an empty body, its type is what is accepted."""

    def __init__(self, zero: T) -> None:
        self._zero = zero

    def writes(self, codec: Codec) -> str:
        """JSON only."""
        if codec is Codec.RAW:
            return "unknown Raw payload type"
        return "message type is not a proto" if codec is Codec.PROTO else ""

    def read(self, codec: Codec, body: bytes) -> T:
        """From JSON; a raw body is ignored."""
        if not body or codec is not Codec.JSON:
            return self._zero
        value = load_json(body)
        if value is None:
            return self._zero
        if type(value) is not type(self._zero):
            raise RpcError(f"json: the argument is {json_name(value)}, not {json_name(self._zero)}")
        return value

    def write(self, codec: Codec, value: T) -> bytes:
        """To JSON."""
        return orjson.dumps(value)


class Anything:
    """An argument that is ignored (RoadRunner's `bool` placeholders), and a reply of any JSON value."""

    def writes(self, codec: Codec) -> str:
        """JSON only."""
        return _JSON_ONLY.writes(codec)

    def read(self, codec: Codec, body: bytes) -> None:
        """Ignored, but it has to be JSON where it is said to be."""
        if body and codec is Codec.JSON:
            load_json(body)

    def write(self, codec: Codec, value: object) -> bytes:
        """To JSON."""
        return orjson.dumps(value)


class Bytes:
    """Bytes as they are under raw, a base64 string under JSON."""

    def writes(self, codec: Codec) -> str:
        """Raw and JSON."""
        return "message type is not a proto" if codec is Codec.PROTO else ""

    def read(self, codec: Codec, body: bytes) -> bytes:
        """From raw or JSON."""
        if not body or codec is Codec.RAW:
            return body
        try:
            return base64.b64decode(TEXT.read(codec, body), validate=True)
        except binascii.Error as err:
            raise RpcError(f"json: the argument is not base64: {err}") from err

    def write(self, codec: Codec, value: bytes) -> bytes:
        """To raw or JSON."""
        return value if codec is Codec.RAW else orjson.dumps(base64.b64encode(value).decode())


_JSON_ONLY = Value(False)
EMPTY = Empty()
TEXT = Value("")
ANYTHING = Anything()
BYTES = Bytes()
