"""A connection under hostile bytes: splits change nothing, damage closes it and never raises."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rrjobs.protocol.frame import FrameParser, rpc_frame
from rrjobs.rpc.connection import MAX_FRAME_BYTES, Connection
from rrjobs.rpc.method import MethodTable
from rrjobs.rpc.methods.rpc import RpcMethods

JSON, ERROR = 0x08, 0x40
METHODS = MethodTable(RpcMethods("1", dict).methods())


class Wire:
    """Transport, calls and roster in one: it keeps what is written."""

    def __init__(self) -> None:
        self.sent = b""
        self.ended = False
        self.reasons: list[str] = []

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.ended

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str) -> None: ...

    def came(self, connection: Connection) -> bool:
        return True

    def left(self, connection: Connection) -> None: ...

    def adopt(self, *call: object) -> None:
        raise AssertionError("nothing here waits")

    def broken(self, method: str, err: Exception) -> None:
        raise AssertionError(method) from err

    def refused(self, peer: str, reason: str) -> None:
        self.reasons.append(reason)


def answer(chunks: Sequence[bytes]) -> Wire:
    wire = Wire()
    connection = Connection(METHODS, wire, wire)
    connection.connection_made(wire)
    for chunk in chunks:
        connection.data_received(chunk)
    assert connection._parser.pending_bytes <= MAX_FRAME_BYTES
    return wire


calls = st.lists(
    st.tuples(
        st.integers(0, 2**32 - 1),
        st.sampled_from([b"rpc.Version", b"rpc.Nope", b"nope", b"a.b", b"\xff.\xff"]),
        st.binary(max_size=40),
        st.sampled_from([0x08, 0x80, 0x04, 0xA0, 0x10, 0x20, 0x00]),
    ),
    min_size=1,
    max_size=6,
)


@given(calls, st.data())
def test_any_split_of_the_bytes_gives_the_same_answers(wanted, data):
    stream = b"".join(rpc_frame(*call) for call in wanted)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole, split = answer([stream]), answer(chunks)
    assert whole.sent == split.sent
    replies = FrameParser().feed(whole.sent)
    assert [reply.options for reply in replies] == [(call[0], len(call[1])) for call in wanted]
    assert not whole.reasons


@given(calls, st.data())
def test_a_truncated_stream_answers_what_was_whole_and_waits_for_the_rest(wanted, data):
    frames = [rpc_frame(*call) for call in wanted]
    stream = b"".join(frames)
    cut = data.draw(st.integers(0, len(stream) - 1))
    wire = answer([stream[:cut]])
    whole, position = 0, 0
    for frame in frames:
        position += len(frame)
        whole += position <= cut
    assert len(FrameParser().feed(wire.sent)) == whole
    assert not wire.ended


@given(calls, st.data())
def test_flipped_bits_never_raise_and_a_damaged_header_closes(wanted, data):
    first = rpc_frame(*wanted[0])
    stream = bytearray(b"".join(rpc_frame(*call) for call in wanted))
    bit = data.draw(st.integers(0, len(stream) * 8 - 1))
    stream[bit // 8] ^= 1 << (bit % 8)
    wire = answer([bytes(stream)])
    if bit // 8 < 10 and not (bit // 8 == 0 and bit % 8 >= 4):
        assert wire.ended
        assert len(wire.reasons) == 1
    elif 20 <= bit // 8 < len(first):
        assert not wire.ended


@given(st.binary(min_size=12, max_size=200))
def test_noise_never_raises(noise):
    wire = answer([noise[:5], noise[5:]])
    assert wire.ended == bool(wire.reasons)


@given(st.integers(MAX_FRAME_BYTES + 1, 2**32 - 1))
def test_a_length_beyond_the_limit_is_refused_by_the_header(length):
    from zlib import crc32

    head = b"\x15\x08" + length.to_bytes(4, "little")
    wire = answer([head + crc32(head).to_bytes(4, "little") + b"\0\0"])
    assert wire.ended
    assert str(length) in wire.reasons[0]


@given(st.binary(max_size=60), st.integers(0, 255))
def test_nothing_after_the_end_is_answered(noise, flags):
    wire = answer([bytes(12), rpc_frame(1, b"rpc.Version", noise, flags)])
    assert wire.ended
    assert wire.sent == b""
