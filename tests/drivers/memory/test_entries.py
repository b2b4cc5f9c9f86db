"""Jobs as entries of a journal: every field comes back, from what older servers wrote too."""

import struct

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.drivers.memory.entries import decode_job, encode_job
from rrjobs.pipeline.job import NO_HEADERS, NO_OPTIONS, Job

TEXT = st.text(max_size=20)
HEADERS = st.just(NO_HEADERS) | st.dictionaries(TEXT, st.lists(TEXT, min_size=1, max_size=3), min_size=1, max_size=3)
OPTIONS = st.just(NO_OPTIONS) | st.fixed_dictionaries({"topic": TEXT, "offset": st.integers(0, 2**53)})
SECONDS = st.just(0.0) | st.floats(0.001, 10**6)
JOBS = st.builds(
    Job,
    TEXT,
    TEXT,
    st.binary(max_size=50),
    st.just("p"),
    st.integers(0, 2**53),
    SECONDS,
    st.booleans(),
    HEADERS,
    OPTIONS,
)


@given(JOBS, st.floats(0, 2 * 10**9))
def test_a_job_comes_back_as_it_was(job, pushed_at):
    job.pushed_at = pushed_at
    found = decode_job(encode_job(job, 1000.0), "p", 1000.0)
    for field in ("id", "name", "payload", "pipeline", "priority", "auto_ack", "headers", "options", "pushed_at"):
        assert getattr(found, field) == getattr(job, field)
    assert found.delay_s == pytest.approx(job.delay_s, abs=1e-6)
    if job.headers is NO_HEADERS:
        assert found.headers is NO_HEADERS
    if job.options is NO_OPTIONS:
        assert found.options is NO_OPTIONS


@given(JOBS, st.floats(0, 500))
def test_what_is_left_of_a_delay_counts_from_the_push(job, passed_s):
    found = decode_job(encode_job(job, 1000.0), "p", 1000.0 + passed_s)
    assert found.delay_s == pytest.approx(max(0.0, job.delay_s - passed_s), abs=1e-6)


@pytest.mark.parametrize("more", [[], [{}], [{}, {}], [{"a": ["1"]}, {}], [{"a": ["1"]}, {"topic": "t"}, "of later"]])
def test_a_head_may_be_shorter_or_longer(more):
    head = orjson.dumps(["id", "name", 3, 0, True, 7.5, *more])
    found = decode_job(struct.pack("<I", len(head)) + head + b"payload", "p", 1000.0)
    assert (found.id, found.name, found.priority, found.auto_ack, found.pushed_at) == ("id", "name", 3, True, 7.5)
    assert found.headers == (more[0] if more else {})
    assert found.options == (more[1] if more[1:] else {})
    assert found.payload == b"payload"
