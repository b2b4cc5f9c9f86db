"""Jobs out of push requests: slices lose nothing, equal names become one string, hostile bytes are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.errors import RpcError
from rrjobs.pipeline.job import MAX_DELAY_S, NO_HEADERS, NO_OPTIONS
from rrjobs.rpc import pushed
from rrjobs.rpc.messages import CLASSES, parse
from rrjobs.rpc.pushed import batch, slices


def request(count: int, **job: object) -> bytes:
    made = CLASSES["PushBatchRequest"]()
    for number in range(count):
        made.jobs.add(job="ping", id=str(number), **job).options.pipeline = "test"
    return made.SerializeToString()


def test_slices_hold_every_job_once_and_in_order():
    body = request(5000, payload=bytes(200))
    parts = list(slices(body))
    assert b"".join(parts) == body
    assert len(parts) > 3
    assert max(map(len, parts)) < pushed.SLICE_BYTES + 1000
    assert [job.id for part in parts for job in batch(parse("PushBatchRequest", part))] == [
        str(number) for number in range(5000)
    ]


@given(st.binary(max_size=300))
def test_slices_of_noise_are_the_noise(noise):
    assert b"".join(slices(noise)) == noise


@given(st.binary(max_size=200))
def test_noise_is_jobs_or_an_error_in_words(noise):
    try:
        batch(parse("PushBatchRequest", noise))
    except RpcError as err:
        assert "is not a protobuf PushBatchRequest" in str(err)


@given(st.data())
def test_a_flipped_bit_is_jobs_or_an_error_in_words(data):
    body = bytearray(request(3, payload=b"abc", headers={"a": {"value": ["1"]}}))
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    body[bit // 8] ^= 1 << (bit % 8)
    try:
        batch(parse("PushBatchRequest", bytes(body)))
    except RpcError as err:
        assert "is not a protobuf PushBatchRequest" in str(err)


def test_equal_names_are_one_string_and_jobs_without_headers_share_the_empty_ones():
    first, second = batch(parse("PushBatchRequest", request(1))) + batch(parse("PushBatchRequest", request(1)))
    assert first.name is second.name
    assert first.pipeline is second.pipeline
    assert first.headers is NO_HEADERS
    assert first.options is NO_OPTIONS


def test_the_memory_of_names_is_bounded(monkeypatch):
    monkeypatch.setattr(pushed, "_names", {})
    monkeypatch.setattr(pushed, "MAX_NAMES", 10)
    made = CLASSES["PushBatchRequest"]()
    for number in range(100):
        made.jobs.add(job=f"name{number}", id="x").options.pipeline = "y" * 1000
    assert [job.name for job in batch(made)] == [f"name{number}" for number in range(100)]
    assert len(pushed._names) <= 10
    assert "y" * 1000 not in pushed._names


def delayed(delay_s: int):
    message = CLASSES["PushBatchRequest"]()
    message.jobs.add(job="ping", id="a").options.delay = delay_s
    return batch(message)


@pytest.mark.parametrize(("asked", "kept"), [(0, 0), (7, 7), (-1, 0), (-(2**63), 0), (MAX_DELAY_S, MAX_DELAY_S)])
def test_a_delay_in_the_past_is_none(asked, kept):
    (job,) = delayed(asked)
    assert job.delay_s == kept


@pytest.mark.parametrize("asked", [MAX_DELAY_S + 1, 2**63 - 1])
def test_a_delay_that_no_broker_can_count_is_refused(asked):
    with pytest.raises(RpcError, match=f"job a: a delay of {asked} seconds is more than the longest, 100 years"):
        delayed(asked)
