"""Jobs as Kafka's records, and records as jobs (spec/jobs-and-rpc.md 4.3).

The key of a record is the job's id, its value the payload. Each header of a job is a record header for each of its
values; RoadRunner writes the first value only. `rr_priority` is 8 bytes, the lowest first.
"""

import struct
from collections.abc import Sequence

from rrjobs.drivers.broker.attributes import AUTO_ACK, DEDUCED, NAME, NAMES, PIPELINE, PRIORITY
from rrjobs.pipeline.job import NO_HEADERS, Job

DUE = "rr_due"
"""Of a record in a delay topic: unix milliseconds, and the partition that it goes to or nothing."""

RecordHeaders = Sequence[tuple[str, bytes | None]]
WrittenHeaders = list[tuple[str, bytes | None]]
"""aiokafka takes no other sequence."""
_PRIORITY = struct.Struct("<q")
_YES = b"\x01"
_OURS = NAMES | {DUE}


def encode_headers(job: Job) -> list[tuple[str, bytes | None]]:
    """All headers of the record."""
    found: list[tuple[str, bytes | None]] = [
        (name, value.encode())
        for name, values in job.headers.items()
        if name not in _OURS
        for value in values
    ]  # fmt: skip
    found.append((NAME, job.name.encode()))
    found.append((PIPELINE, job.pipeline.encode()))
    found.append((PRIORITY, _PRIORITY.pack(max(-(2**63), min(job.priority, 2**63 - 1)))))
    if job.auto_ack:
        found.append((AUTO_ACK, _YES))
    return found


def decode_record(
    key: bytes | None, value: bytes | None, headers: RecordHeaders, pipeline: str, priority: int, ident: str
) -> Job:
    """The job in a record; `ident` is for those without a key, `priority` for those without one.

    Raises ValueError when its name is no text.
    """
    name, own_priority, auto_ack = DEDUCED, 0, False
    texts: dict[str, list[str]] = {}
    for header, content in headers:
        content = content or b""
        if header == NAME:
            name = content.decode() or DEDUCED
        elif header == PRIORITY:
            own_priority = _PRIORITY.unpack(content)[0] if len(content) == _PRIORITY.size else 0
        elif header == AUTO_ACK:
            auto_ack = content in (_YES, b"true")
        elif header in _OURS:
            continue
        elif header in texts:
            texts[header].append(content.decode(errors="replace"))
        else:
            texts[header] = [content.decode(errors="replace")]
    return Job(
        key.decode(errors="backslashreplace") if key else ident,
        name,
        value or b"",
        pipeline,
        own_priority or priority,
        0.0,
        auto_ack,
        texts or NO_HEADERS,
    )


def due_header(due_ms: int, partition: int | None) -> tuple[str, bytes]:
    """When a delayed record is to be there, and in which partition."""
    return DUE, f"{due_ms}:{'' if partition is None else partition}".encode()


def read_due(headers: RecordHeaders) -> tuple[int, int | None]:
    """The same read; what cannot be read is due at once."""
    for header, content in headers:
        if header == DUE:
            due, _, partition = (content or b"").decode(errors="replace").partition(":")
            try:
                return int(due), int(partition) if partition else None
            except ValueError:
                return 0, None
    return 0, None
