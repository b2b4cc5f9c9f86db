import json
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.errors import ProtocolError
from rrjobs.protocol.frame import (
    CODEC_JSON,
    CODEC_PROTO,
    CONTROL,
    ERROR,
    PING,
    STOP_COMMAND,
    STREAM,
    STREAM_PONG,
    STREAM_STOP,
    Frame,
    FrameParser,
    data_frame,
    pid_request,
    plain_frame,
    rpc_frame,
)

LEGACY = b'{"status":200,"headers":{}}'
HEADERS = b'{"status":200,"headers":{"X-A":["1"]}}'
PROTO_REQUEST = bytes.fromhex(
    "0a093132372e302e302e311208485454502f312e311a03474554220d687474703a2f2f682f3f613d312a0d0a03582d4112060a01310a01323a"
    "03613d31"
)
PROTO_RESPONSE = bytes.fromhex("08c801120a0a03582d4112030a0131")

EXAMPLES = {
    "pid request": (pid_request(1000), "13090c0000005f0c46730000" + b'{"pid":1000}'.hex()),
    "pid reply": (plain_frame(b'{"pid":4242}', CONTROL), "13010c0000009e4736430000" + b'{"pid":4242}'.hex()),
    "stop": (STOP_COMMAND, "13090d0000003a6bfacb0000" + b'{"stop":true}'.hex()),
    "legacy response": (data_frame(LEGACY, b"Hello"), "140020000000104eb78900001b000000" + (LEGACY + b"Hello").hex()),
    "JSON response": (
        data_frame(LEGACY, b"Hello", CODEC_JSON),
        "140820000000d105c7b900001b000000" + (LEGACY + b"Hello").hex(),
    ),
    "first chunk": (
        data_frame(LEGACY, b"chunk", 0, STREAM),
        "140020000000104eb78901001b000000" + (LEGACY + b"chunk").hex(),
    ),
    "chunk with PING": (data_frame(b"", b"x", 0, STREAM | PING), "1400010000004b86399105000000000078"),
    "worker error": (plain_frame(b"boom", ERROR), "134004000000881e11e30000626f6f6d"),
    "stream stop": (STREAM_STOP, "13000000000096d180340200"),
    "stream pong": (STREAM_PONG, "13000000000096d180340800"),
    "empty terminating frame": (data_frame(b"", b""), "1400000000002ee18529000000000000"),
    "protobuf request": (
        data_frame(PROTO_REQUEST, b"", CODEC_PROTO),
        "14803d000000c071229a00003d000000" + PROTO_REQUEST.hex(),
    ),
    "protobuf response": (
        data_frame(PROTO_RESPONSE, b"Hi", CODEC_PROTO),
        "1480110000004661c67000000f000000" + PROTO_RESPONSE.hex() + "4869",
    ),
    "JSON response with a header": (
        data_frame(HEADERS, b"Hi", CODEC_JSON),
        "1408280000003e2d737c000026000000" + HEADERS.hex() + "4869",
    ),
    "RPC call": (
        rpc_frame(1, b"informer.AddWorker", json.dumps("http").encode(), CODEC_JSON),
        "1508180000003a06044700000100000012000000" + b'informer.AddWorker"http"'.hex(),
    ),
}

flag_bytes = st.integers(0, 255)
payloads = st.binary(max_size=200)


@st.composite
def frames(draw):
    """The bytes of a frame, and what they mean."""
    flags, bits = draw(flag_bytes), draw(flag_bytes)
    first, second = draw(payloads), draw(payloads)
    shape = draw(st.sampled_from(["data", "plain", "rpc"]))
    if shape == "data":
        return data_frame(first, second, flags, bits), Frame(flags, bits, (len(first),), first + second)
    if shape == "plain":
        return plain_frame(first, flags, bits), Frame(flags, bits, (), first)
    number = draw(st.integers(0, 2**32 - 1))
    return rpc_frame(number, first, second, flags), Frame(flags, 0, (number, len(first)), first + second)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_frame_is_encoded_as_the_published_packages_do(name):
    encoded, expected = EXAMPLES[name]
    assert encoded.hex() == expected


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_read_as_one_frame_with_nothing_left(name):
    raw = bytes.fromhex(EXAMPLES[name][1])
    parser = FrameParser()
    (frame,) = parser.feed(raw)
    words = raw[0] & 0x0F
    options = tuple(int.from_bytes(raw[4 * word : 4 * word + 4], "little") for word in range(3, words))
    assert frame == Frame(raw[1], raw[10], options, raw[4 * words :])
    assert parser.pending_bytes == 0


def test_context_and_body_of_an_example_are_told_apart():
    (frame,) = FrameParser().feed(bytes.fromhex(EXAMPLES["legacy response"][1]))
    assert frame.split() == (LEGACY, b"Hello")


def test_a_context_longer_than_the_payload_is_refused():
    with pytest.raises(ProtocolError, match="context of 9 bytes in a payload of 3"):
        Frame(0, 0, (9,), b"abc").split()


@pytest.mark.parametrize("options", [(), (1, 2)])
def test_a_data_frame_has_exactly_one_option(options):
    with pytest.raises(ProtocolError, match="exactly one option"):
        Frame(0, 0, options, b"abc").split()


@given(st.lists(frames(), max_size=6), st.lists(st.integers(0, 3000), max_size=12))
def test_frames_cut_anywhere_come_out_as_they_went_in(made, cuts):
    raw = b"".join(encoded for encoded, _ in made)
    parser, found, at = FrameParser(), [], 0
    for cut in [*sorted(min(cut, len(raw)) for cut in cuts), len(raw)]:
        found += parser.feed(raw[at:cut])
        at = cut
    assert found == [frame for _, frame in made]
    assert parser.pending_bytes == 0


@given(frames())
def test_frames_fed_byte_by_byte_come_out_at_the_last_byte(made):
    raw, frame = made
    parser = FrameParser()
    for at in range(len(raw) - 1):
        assert parser.feed(raw[at : at + 1]) == []
    assert parser.feed(raw[-1:]) == [frame]


@given(frames(), st.data())
def test_a_truncated_frame_is_never_a_frame(made, data):
    raw, _ = made
    kept = data.draw(st.integers(0, len(raw) - 1))
    parser = FrameParser()
    assert parser.feed(raw[:kept]) == []
    assert parser.pending_bytes == kept


@given(frames(), st.integers(8, 79))
def test_a_flipped_bit_under_the_checksum_is_never_taken_for_a_frame(made, bit):
    raw = bytearray(made[0])
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProtocolError, match="CRC"):
        FrameParser().feed(bytes(raw))


@given(frames(), st.integers(0, 7))
def test_a_flipped_bit_in_the_first_byte_is_never_taken_for_a_frame(made, bit):
    raw = bytearray(made[0])
    raw[0] ^= 1 << bit
    with pytest.raises(ProtocolError):
        FrameParser().feed(bytes(raw))


@pytest.mark.parametrize("words", [0, 1, 2, 14, 15])
def test_an_impossible_header_length_is_refused(words):
    with pytest.raises(ProtocolError, match=f"header length of {words} words"):
        FrameParser().feed(bytes([0x10 | words]) + b"\0" * 40)


@pytest.mark.parametrize(
    "text", ["Could not open input file: nofile.php\n", "PHP Warning:  Undefined variable $x", "Ünicode text"]
)
def test_text_in_the_place_of_a_frame_is_told(text):
    with pytest.raises(ProtocolError, match="where a frame was due stands the text") as refused:
        FrameParser().feed(text.encode())
    assert repr(text.strip()) in str(refused.value)


def test_bytes_in_the_place_of_a_frame_that_are_no_text_are_not_told():
    with pytest.raises(ProtocolError) as refused:
        FrameParser().feed(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abc")
    assert "text" not in str(refused.value)


@given(st.integers(101, 2**32 - 1))
def test_a_payload_that_is_too_long_is_refused_by_its_header(length):
    raw = plain_frame(b"", 0)
    head = raw[:2] + length.to_bytes(4, "little")
    header = head + crc32(head).to_bytes(4, "little") + b"\0\0"
    with pytest.raises(ProtocolError, match=f"payload of {length} bytes, at most 100 are taken"):
        FrameParser(max_payload_bytes=100).feed(header)


def test_a_payload_of_exactly_the_limit_is_taken():
    assert FrameParser(max_payload_bytes=100).feed(plain_frame(b"x" * 100))[0].payload == b"x" * 100


@pytest.mark.parametrize("limit", [2**32 - 1, 8])
def test_whole_frames_before_a_broken_one_of_the_same_read_are_at_hand(limit):
    good, broken = data_frame(b"", b"one"), bytes(12) if limit > 8 else data_frame(b"", b"too long for it")
    parser = FrameParser(limit)
    with pytest.raises(ProtocolError):
        parser.feed(good + good + broken)
    assert [frame.payload for frame in parser.whole] == [b"one", b"one"]
