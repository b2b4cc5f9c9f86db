"""The Goridge frame: header layout, encoders, and an incremental parser.

Layout (little endian): version and header words, flags, payload length u32, CRC-32 of those six bytes, stream bits,
a zero byte, then the options, then the payload. The CRC covers nothing else. Source: spec/worker-and-http.md 1.
"""

from struct import Struct
from typing import NamedTuple
from zlib import crc32

from rrjobs.errors import FrameTooLong, ProtocolError

HEADER_BYTES = 12
MAX_HEADER_WORDS = 13
MAX_PAYLOAD_BYTES = 2**32 - 1
_SHOWN_BYTES = 200

CONTROL = 0x01
CODEC_RAW = 0x04
CODEC_JSON = 0x08
CODEC_MSGPACK = 0x10
CODEC_GOB = 0x20
ERROR = 0x40
CODEC_PROTO = 0x80

STREAM = 0x01
STOP = 0x02
PING = 0x04
PONG = 0x08

_HEAD = Struct("<BBI")
_U32 = Struct("<I")
_RPC_OPTIONS = Struct("<II")
_OPTIONS = tuple(Struct(f"<{count}I").unpack_from for count in range(MAX_HEADER_WORDS - 2))
_STREAM_BYTES = tuple(bytes((bits, 0)) for bits in range(256))
_pack_head = _HEAD.pack
_pack_u32 = _U32.pack
unpack_u32 = _U32.unpack_from


class Frame(NamedTuple):
    """One whole frame: `options` are the u32 words behind the header, `payload` everything after them."""

    flags: int
    stream: int
    options: tuple[int, ...]
    payload: bytes

    def split(self) -> tuple[bytes, bytes]:
        """Context and body of a data frame; raises ProtocolError when the one option is missing or out of range."""
        if len(self.options) != 1:
            raise ProtocolError(f"a data frame has exactly one option, this one has {len(self.options)}")
        cut = self.options[0]
        if cut > len(self.payload):
            raise ProtocolError(f"context of {cut} bytes in a payload of {len(self.payload)}")
        return self.payload[:cut], self.payload[cut:]


def data_frame(context: bytes, body: bytes, flags: int = 0, stream: int = 0) -> bytes:
    """A data frame in either direction: one option, the length of the context."""
    head = _pack_head(0x14, flags, len(context) + len(body))
    return b"".join((head, _pack_u32(crc32(head)), _STREAM_BYTES[stream], _pack_u32(len(context)), context, body))


def plain_frame(payload: bytes, flags: int = 0, stream: int = 0) -> bytes:
    """A frame without options: control, error, stream stop and pong frames."""
    head = _pack_head(0x13, flags, len(payload))
    return b"".join((head, _pack_u32(crc32(head)), _STREAM_BYTES[stream], payload))


def rpc_frame(sequence: int, method: bytes, body: bytes, flags: int) -> bytes:
    """An RPC call or reply: options are the sequence number and the length of the method name."""
    head = _pack_head(0x15, flags, len(method) + len(body))
    options = _RPC_OPTIONS.pack(sequence, len(method))
    return b"".join((head, _pack_u32(crc32(head)), b"\0\0", options, method, body))


def pid_request(pid: int) -> bytes:
    """The control frame that asks a worker for its pid; the answer doubles as a fence behind a delivery."""
    return plain_frame(b'{"pid":%d}' % pid, CONTROL | CODEC_JSON)


STOP_COMMAND = plain_frame(b'{"stop":true}', CONTROL | CODEC_JSON)
STREAM_STOP = plain_frame(b"", 0, STOP)
STREAM_PONG = plain_frame(b"", 0, PONG)


class FrameParser:
    """Cuts a byte stream into frames; keeps what is incomplete.

    After a ProtocolError the stream is out of step: the parser must not be fed again; `whole` then has the frames that
    came before the broken one in the same read. `max_payload_bytes` refuses a frame by its header, before its payload
    is collected.
    """

    def __init__(self, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self._buffer = bytearray()
        self._needed = HEADER_BYTES
        self._max_payload_bytes = max_payload_bytes
        self.whole: list[Frame] = []

    @property
    def pending_bytes(self) -> int:
        """How many bytes of an incomplete frame are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Add bytes, return every frame that is complete now; raises ProtocolError on a header that cannot be one."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return []
            data = bytes(self._buffer)
            self._buffer.clear()
        frames: list[Frame] = []
        position, size = 0, len(data)
        while size - position >= HEADER_BYTES:
            try:
                words, total = self._measure(data, position)
            except ProtocolError:
                self.whole = frames
                raise
            if size - position < total:
                self._needed = total
                break
            frames.append(_cut(data, position, words, total))
            position += total
        else:
            self._needed = HEADER_BYTES
        if position < size:
            self._buffer += data[position:]
        return frames

    def _measure(self, buffer: bytes, position: int) -> tuple[int, int]:
        words = buffer[position] & 0x0F
        if not 3 <= words <= MAX_HEADER_WORDS:
            raise ProtocolError(f"header length of {words} words{_in_its_place(buffer, position)}")
        if crc32(buffer[position : position + 6]) != unpack_u32(buffer, position + 6)[0]:
            raise ProtocolError(f"CRC of the frame header does not match{_in_its_place(buffer, position)}")
        length = unpack_u32(buffer, position + 2)[0]
        if length > self._max_payload_bytes:
            message = f"payload of {length} bytes, at most {self._max_payload_bytes} are taken"
            raise FrameTooLong(message, buffer[position:])
        return words, words * 4 + length


def _cut(buffer: bytes, position: int, words: int, total: int) -> Frame:
    options = _OPTIONS[words - 3](buffer, position + HEADER_BYTES)
    payload = buffer[position + 4 * words : position + total]
    return Frame(buffer[position + 1], buffer[position + 10], options, payload)


def _in_its_place(buffer: bytes, position: int) -> str:
    """What was printed where a frame was due, if it is text: messages of PHP itself, or echo on the relay `pipes`."""
    text = buffer[position : position + _SHOWN_BYTES].decode("utf-8", "replace").strip()
    if not text or not "".join(text.split()).isprintable():
        return ""
    return f"; where a frame was due stands the text {text!r}"
