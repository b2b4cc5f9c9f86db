"""Heads of workers' answers: context bytes to a response head, by the codec the answer itself names."""

from rrjobs.drivers.http import codec_json, codec_protobuf
from rrjobs.protocol.frame import CODEC_PROTO
from rrjobs.protocol.http1.head import ResponseHead

_MAX_HEADS = 1024
_MAX_CONTEXT_BYTES = 512
_heads: dict[tuple[int, bytes], ResponseHead] = {}
"""Most programs answer with the same few heads; big ones and the long tail are read each time."""


class UnknownStatus(ValueError):
    """A status that is none; the text is the page the client gets."""


def read_head(flags: int, context: bytes) -> ResponseHead:
    """The head an answer begins with; raises UnknownStatus, or ValueError when the context cannot be read."""
    key = (flags & CODEC_PROTO, context)
    head = _heads.get(key)
    if head is None:
        head = _read(flags, context)
        if len(context) <= _MAX_CONTEXT_BYTES:
            if len(_heads) >= _MAX_HEADS:
                _heads.clear()
            _heads[key] = head
    return head


def _read(flags: int, context: bytes) -> ResponseHead:
    decode = codec_protobuf.decode_head if flags & CODEC_PROTO else codec_json.decode_head
    status, headers = decode(context)
    if not 100 <= status < 600:
        raise UnknownStatus(f"unknown status code from worker: {status}")
    try:
        return ResponseHead(status, headers)
    except TypeError as err:
        raise ValueError(str(err)) from err
