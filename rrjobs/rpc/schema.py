"""The protobuf messages of the RPC methods as one table, from which descriptors and the JSON mapping are made.

Package names never travel on the wire, so one flat namespace serves all. Source: spec/jobs-and-rpc.md 2.
"""

from typing import NamedTuple


class Field(NamedTuple):
    """One field. `kind` is a scalar type or a message of this table; a map has string keys and values of `kind`."""

    name: str
    number: int
    kind: str
    repeated: bool = False
    is_map: bool = False


def _fields(**columns: str) -> tuple[Field, ...]:
    """`name="number kind"`, where kind may carry a `*` (repeated) or a `%` (map from string)."""
    made = []
    for name, column in columns.items():
        number, kind = column.split()
        made.append(Field(name, int(number), kind.rstrip("*%"), kind.endswith("*"), kind.endswith("%")))
    return tuple(made)


SCALARS = ("string", "bytes", "bool", "int32", "int64", "uint64")

MESSAGES: dict[str, tuple[Field, ...]] = {
    "Empty": (),
    "HeaderValue": _fields(value="1 string*"),
    "Options": _fields(
        priority="1 int64",
        pipeline="2 string",
        delay="3 int64",
        auto_ack="6 bool",
        topic="7 string",
        metadata="8 string",
        offset="9 int64",
        partition="10 int32",
    ),
    "Job": _fields(job="1 string", id="2 string", payload="3 bytes", headers="4 HeaderValue%", options="5 Options"),
    "PushRequest": _fields(job="1 Job"),
    "PushBatchRequest": _fields(jobs="1 Job*"),
    "DeclareRequest": _fields(pipeline="1 string%"),
    "Pipelines": _fields(pipelines="1 string*"),
    "Stat": _fields(
        pipeline="1 string",
        driver="2 string",
        queue="3 string",
        active="4 int64",
        delayed="5 int64",
        reserved="6 int64",
        ready="7 bool",
        priority="8 uint64",
    ),
    "Stats": _fields(stats="1 Stat*"),
    "StatusRequest": _fields(plugin="1 string"),
    "StatusResponse": _fields(code="1 int64", message="2 string"),
    "LogAttrs": _fields(key="1 string", value="2 string"),
    "LogEntry": _fields(message="1 string", log_attrs="2 LogAttrs*"),
}
