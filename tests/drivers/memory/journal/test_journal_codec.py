"""Headers and records as bytes: round trips, every truncation, every flipped bit, lies about lengths."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.drivers.memory.journal.codec import (
    HEAD,
    HEAD_BYTES,
    PUT_BYTES,
    REMOVED_BYTES,
    BadRecord,
    encode,
    payloads_of,
    record_at,
    records,
)
from rrjobs.drivers.memory.journal.damage import next_record, was_synced
from rrjobs.drivers.memory.journal.layout import (
    HEADER_BYTES,
    BadHeader,
    OtherVersion,
    decode_header,
    encode_header,
    new_header,
    segment_id,
    segment_name,
)

SEED = 12345
U64 = st.integers(0, 2**64 - 1)
ENTRIES = st.lists(st.tuples(U64, st.integers(0, 255), st.binary(max_size=40)), max_size=8)


def record_of(entries, removed=(), offset=0, unsynced=0, seed=SEED):
    numbers, kinds, payloads = ([entry[i] for entry in entries] for i in range(3))
    return bytes(encode(numbers, bytes(kinds), payloads, removed, seed, offset, unsynced))


@given(entries=ENTRIES, removed=st.lists(U64, max_size=8), offset=st.integers(0, 200))
def test_a_record_is_read_as_it_was_written(entries, removed, offset):
    data = bytes(offset) + record_of(entries, removed, offset, 7)
    record = record_at(data, SEED, offset, len(data))
    found = list(zip(record.numbers, record.kinds, payloads_of(data, record), strict=True))
    assert found == entries
    assert list(record.removed) == removed
    assert (record.offset, record.end, record.unsynced) == (offset, len(data), 7)


@given(entries=ENTRIES, removed=st.lists(U64, max_size=8))
def test_a_record_is_as_long_as_was_planned(entries, removed):
    planned = HEAD_BYTES + sum(PUT_BYTES + len(payload) for _, _, payload in entries) + REMOVED_BYTES * len(removed)
    assert len(record_of(entries, removed)) == planned


def test_a_record_has_the_bytes_that_the_documentation_tells():
    data = record_of([(7, 1, b"ab")], [9], offset=0, unsynced=3, seed=0)
    crc = data[4:8]
    assert data == (
        b"\xa7rJ\x1e" + crc + struct.pack("<IIIQI", 23, 1, 1, 0, 3) + struct.pack("<QQIB", 7, 9, 2, 1) + b"ab"
    )


@given(entries=ENTRIES, cut=st.integers(1, 10**6))
def test_a_truncated_record_is_no_record(entries, cut):
    whole = record_of(entries)
    data = whole[: len(whole) - 1 - cut % len(whole)]
    with pytest.raises(BadRecord):
        record_at(data, SEED, 0, len(data))


def test_no_flipped_bit_of_a_record_goes_unseen():
    whole = record_of([(1, 1, b"payload"), (2, 2, b"")], [3])
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadRecord):
            record_at(bytes(data), SEED, 0, len(data))


@given(data=st.binary(max_size=120), offset=st.integers(0, 120))
def test_junk_is_no_record_and_raises_nothing_else(data, offset):
    with pytest.raises(BadRecord):
        record_at(data, SEED, offset, len(data))


@given(numbers=st.tuples(*[st.integers(0, 2**32 - 1)] * 3))
def test_counts_that_lie_are_refused_although_the_checksum_holds(numbers):
    from zlib import crc32

    length, puts, removed = numbers
    body = b"\0" * 40
    behind = struct.pack("<IIIQI", length, puts, removed, 0, 0)
    data = b"\xa7rJ\x1e" + crc32(behind + body, SEED).to_bytes(4, "little") + behind + body
    if not (length == 40 and 13 * puts + 8 * removed == 40):
        with pytest.raises(BadRecord):
            record_at(data, SEED, 0, len(data))


@pytest.mark.parametrize(("seed", "place"), [(SEED + 1, 0), (SEED, 1)])
def test_a_record_of_another_segment_or_another_place_is_refused(seed, place):
    data = b"\0" * place + record_of([(1, 1, b"x")])
    with pytest.raises(BadRecord):
        record_at(data, seed, place, len(data))


def test_reading_stops_at_the_first_bad_record_and_says_where():
    first = record_of([(1, 1, b"x")])
    data = first + b"junk" * 20
    found = []
    with pytest.raises(BadRecord) as raised:
        found.extend(records(data, SEED, 0, len(data)))
    assert raised.value.offset == len(first)


def test_the_search_behind_damage_finds_the_next_whole_record_and_no_copy_inside_a_payload():
    copy = record_of([(5, 1, b"evil")], offset=0, seed=1)
    first = record_of([(1, 1, copy)])
    second = record_of([(2, 1, b"y")], offset=len(first))
    data = b"\xff" + first[1:] + second
    found = next_record(data, SEED, 0, len(data))
    assert found is not None
    assert found.offset == len(first)
    assert next_record(data, SEED, found.offset, len(data)) is None


@pytest.mark.parametrize(("unsynced", "damaged"), [(0, True), (10_000, False)])
def test_bytes_are_damaged_only_where_a_later_record_knows_that_they_were_synced(unsynced, damaged):
    first = record_of([(1, 1, b"x")])
    data = b"\xff" + first[1:] + record_of([(2, 1, b"y")], offset=len(first), unsynced=unsynced)
    assert was_synced(data, SEED, 0) is damaged


def test_a_header_is_read_as_it_was_written():
    header = new_header(7, 1000, 3, 99)
    assert decode_header(encode_header(header) + b"more") == header
    assert len(encode_header(header)) == HEADER_BYTES
    assert new_header(7, 1000, 3, 99).seed != header.seed


def test_no_flipped_bit_of_a_header_and_no_truncation_goes_unseen():
    whole = encode_header(new_header(7, 1000, 3, 99))
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadHeader):
            decode_header(bytes(data))
    for length in range(len(whole)):
        with pytest.raises(BadHeader):
            decode_header(whole[:length])


@pytest.mark.parametrize(("version", "age"), [(0, "older"), (2, "newer"), (2**32 - 1, "newer")])
def test_another_version_is_told_from_damage(version, age):
    data = bytearray(encode_header(new_header(1, 0, 1, 1)))
    data[8:12] = version.to_bytes(4, "little")
    with pytest.raises(OtherVersion, match=f"an? {age} rrjobs in format {version}; this one reads format 1"):
        decode_header(bytes(data))


def test_segments_sort_by_name_as_by_number_and_other_files_are_none():
    assert sorted(segment_name(id) for id in (1, 10, 9, 10**12)) == [segment_name(id) for id in (1, 9, 10, 10**12)]
    assert segment_id(segment_name(42)) == 42
    for name in ("lock", "1.segment", "0000000000000001.segment.bak", "repair.tmp"):
        assert segment_id(name) is None


def test_the_head_is_as_long_as_documented():
    assert HEAD.size == HEAD_BYTES == 32
