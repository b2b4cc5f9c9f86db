"""The order in which codec bits are looked at."""

import pytest

from rrjobs.rpc.codec import BY_FLAGS, Codec

PROTO, JSON, RAW, MSGPACK, GOB = Codec.PROTO, Codec.JSON, Codec.RAW, Codec.MSGPACK, Codec.GOB


@pytest.mark.parametrize(
    ("flags", "body", "reply"),
    [
        (0x80, PROTO, PROTO),
        (0x08, JSON, JSON),
        (0x04, RAW, RAW),
        (0x10, MSGPACK, MSGPACK),
        (0x20, GOB, GOB),
        (0x00, GOB, GOB),
        (0xA0, PROTO, PROTO),
        (0x88, PROTO, PROTO),
        (0x28, JSON, JSON),
        (0x0C, JSON, JSON),
        (0x24, GOB, RAW),
        (0x30, GOB, MSGPACK),
        (0x14, RAW, RAW),
        (0xBC, PROTO, PROTO),
        (0x41, GOB, GOB),
    ],
)
def test_the_bits_are_tested_in_order(flags, body, reply):
    assert BY_FLAGS[flags][:2] == (body, reply)


def test_every_combination_is_either_spoken_or_refused_by_name():
    for flags, (body, reply, refusal) in enumerate(BY_FLAGS):
        unspoken = {codec.name.lower() for codec in (body, reply)} & {"gob", "msgpack"}
        assert bool(refusal) == bool(unspoken), flags
        assert not refusal or any(name in refusal for name in unspoken)
