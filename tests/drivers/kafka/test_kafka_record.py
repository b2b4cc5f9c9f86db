"""Records as RoadRunner writes them, as we do, as anybody may."""

import struct

import pytest
from aiokafka.partitioner import murmur2 as known_murmur2
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.drivers.kafka.delays import STEPS, delay_topic, step_for, step_of, waits_until
from rrjobs.drivers.kafka.partitioning import Partitioner, murmur2
from rrjobs.drivers.kafka.record import decode_record, due_header, encode_headers, read_due
from rrjobs.pipeline.job import Job

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
NAMES = TEXT.filter(lambda name: not name.startswith("rr_"))


def decoded(key, value, headers):
    return decode_record(key, value, headers, "p", 10, "t-0-7")


@given(
    st.builds(
        Job,
        TEXT.filter(bool),
        TEXT.filter(bool),
        st.binary(),
        st.just("p"),
        st.integers(-(2**63), 2**63 - 1).filter(bool),
        auto_ack=st.booleans(),
        headers=st.dictionaries(NAMES, st.lists(TEXT, min_size=1, max_size=3), max_size=4),
    )
)
def test_a_job_is_the_same_after_its_way_through_a_record(job):
    again = decoded(job.id.encode(), job.payload, encode_headers(job))
    for name in ("id", "name", "payload", "pipeline", "priority", "auto_ack"):
        assert getattr(again, name) == getattr(job, name)
    assert {name: list(values) for name, values in again.headers.items()} == dict(job.headers)


def test_the_record_is_byte_for_byte_what_roadrunner_writes():
    job = Job("id-1", "App\\Mail", b"{}", "mail", 7, headers={"a": ["first"]})
    assert encode_headers(job) == [
        ("a", b"first"),
        ("rr_job", b"App\\Mail"),
        ("rr_pipeline", b"mail"),
        ("rr_priority", b"\x07\0\0\0\0\0\0\0"),
    ]


def test_a_record_of_roadrunner_is_read_with_the_pipeline_that_it_came_in():
    headers = [("rr_job", b"J"), ("rr_pipeline", b"other"), ("rr_priority", struct.pack("<Q", 3)), ("x", b"1")]
    job = decoded(b"id", b"body", headers)
    assert (job.name, job.pipeline, job.priority, dict(job.headers)) == ("J", "p", 3, {"x": ["1"]})


@pytest.mark.parametrize("priority", [b"", b"5", b"\0" * 7, b"\0" * 9, None, struct.pack("<Q", 0)])
def test_a_foreign_record_has_the_name_the_priority_and_the_id_of_one(priority):
    job = decoded(None, None, [("rr_priority", priority), ("theirs", b"\xff\x00")])
    assert (job.id, job.name, job.payload, job.priority) == ("t-0-7", "deduced_by_rr", b"", 10)
    assert job.headers == {"theirs": ["\ufffd\x00"]}


@given(
    st.none() | st.binary(),
    st.none() | st.binary(),
    st.lists(st.tuples(st.sampled_from(["rr_job", "rr_priority", "rr_auto_ack", "x"]), st.none() | st.binary())),
)
def test_garbage_is_a_job_or_a_value_error(key, value, headers):
    try:
        job = decoded(key, value, headers)
    except ValueError:
        return
    assert job.id and job.name and job.payload == (value or b"")


@given(st.integers(0, 2**45), st.none() | st.integers(0, 2**31))
def test_when_a_delayed_record_is_due_is_read_as_written(due_ms, partition):
    assert read_due([("other", b"x"), due_header(due_ms, partition)]) == (due_ms, partition)


@pytest.mark.parametrize("junk", [b"", b"soon", b"12:x", b"\xff:1", None])
def test_a_delay_that_cannot_be_read_is_over(junk):
    assert read_due([("rr_due", junk)]) == (0, None)


@given(st.floats(0, 10**9))
def test_every_delay_ends_in_time_after_few_steps(delay_s):
    now, due, hops = 0.0, delay_s, 0
    while due - now > 0.001:
        step = step_for(due - now)
        assert step_of(delay_topic("a.delay.b", step)) == step
        now = waits_until(step, now, due)
        hops += 1
    assert now == due or due - now <= 0.001
    assert hops <= 3 * len(STEPS) + delay_s / STEPS[-1]


@given(st.binary(max_size=80))
def test_keys_have_the_partition_that_other_clients_give_them(key):
    assert murmur2(key) == known_murmur2(key) & 0xFFFFFFFF


def job(ident="a", **options):
    return Job(ident, "J", b"", "p", options=options)


def test_each_strategy_chooses_as_its_name_says():
    waiting = {0: 9, 1: 2, 2: 5}
    three = (0, 1, 2)

    def of(strategy):
        made = Partitioner(strategy, lambda topic, one: waiting[one])
        made.begin()
        return made

    manual = of("Manual")
    assert manual.partition(job(partition=2), "t", three) == 2
    with pytest.raises(ValueError, match="no partition 3, it has 3"):
        manual.partition(job(partition=3), "t", three)
    hashed = of("Uniform")
    assert {hashed.partition(job("k", partition=2), "t", three) for _ in range(5)} == {
        (known_murmur2(b"k") & 0x7FFFFFFF) % 3
    }
    turns = of("RoundRobin")
    assert sorted(turns.partition(job(), "t", three) for _ in range(3)) == [0, 1, 2]
    assert of("LeastBackup").partition(job(), "t", three) == 1
    sticky = of("Sticky")
    first = {sticky.partition(job(), "t", three) for _ in range(4)}
    sticky.begin()
    assert len(first) == 1 and {sticky.partition(job(), "t", three)} != first
