"""The gob of a job: as Go writes it, as Go reads it, and whatever else a tube may hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rrjobs.drivers.beanstalk import gob
from rrjobs.drivers.beanstalk.gob_reader import GobDecoder
from rrjobs.drivers.beanstalk.item import decode_job, encode_job
from rrjobs.pipeline.job import Job

BY_GO = bytes.fromhex(
    "467f030101044974656d01ff8000010501034a6f62010c0001054964656e74010c0001075061796c6f6164010a0001044864727301ff84000107"
    "4f7074696f6e7301ff8600000024ff83040101136d61705b737472696e675d5b5d737472696e6701ff8400010c01ff8200000cff81020102ff82"
    "00010c00004fff85030101074f7074696f6e7301ff8600010501085072696f726974790104000108506970656c696e65010c00010544656c6179"
    "01040001074175746f41636b01020001055175657565010c00000032ff8001074170705c4a6f62010469642d31010768656c6c6f00ff01010168"
    "0201760177010114010474657374010a01010000"
)
"""encoding/gob of Go 1.26 for the item of RoadRunner 6: App\\Job, id-1, seven bytes, headers in `Hdrs`, options."""

BY_OLD_GO = bytes.fromhex(
    "497f030101044974656d01ff8000010501034a6f62010c0001054964656e74010c0001075061796c6f6164010a0001074865616465727301ff84"
    "0001074f7074696f6e7301ff8600000024ff83040101136d61705b737472696e675d5b5d737472696e6701ff8400010c01ff8200000cff810201"
    "02ff8200010c000045ff85030101074f7074696f6e7301ff8600010401085072696f726974790104000108506970656c696e65010c0001054465"
    "6c617901040001074175746f41636b010200000032ff8001074170705c4a6f62010469642d31010768656c6c6f00ff0101016802017601770101"
    "14010474657374010901010000"
)
"""The same with the headers in `Headers`, as RoadRunner named them up to 2023.1."""

NAMES = some.text(max_size=20)
JOBS = some.builds(
    Job,
    some.text(min_size=1, max_size=30),
    some.text(min_size=1, max_size=30),
    some.binary(max_size=300),
    some.just("p"),
    some.integers(-(2**63), 2**63 - 1).filter(bool),
    some.integers(0, 2**31).map(float),
    some.booleans(),
    some.dictionaries(NAMES, some.lists(NAMES, max_size=3), max_size=4),
)


@pytest.mark.parametrize("body", [BY_GO, BY_OLD_GO])
def test_what_go_wrote_is_read(body):
    job = decode_job(body, "here", 7)
    assert (job.id, job.name, job.payload) == ("id-1", "App\\Job", b"hello\x00\xff")
    assert (job.priority, job.auto_ack) == (10, True)
    assert job.headers == {"h": ["v", "w"]} and job.pipeline == "here"


def test_headers_are_written_under_the_name_that_roadrunner_reads():
    body = encode_job(Job("id-1", "n", b"", "p", 1, headers={"h": ["v", "w"]}))
    assert GobDecoder().decode(body)["Hdrs"] == {b"h": [b"v", b"w"]}


@given(JOBS)
def test_a_job_survives(job: Job):
    found = decode_job(encode_job(job), "p", 1)
    assert (found.id, found.name, found.payload, found.priority) == (job.id, job.name, job.payload, job.priority)
    assert found.auto_ack == job.auto_ack and dict(found.headers) == dict(job.headers)


@given(some.binary(max_size=400))
def test_anything_else_is_a_foreign_job(body: bytes):
    job = decode_job(body, "p", 7)
    assert (job.name, job.payload, job.priority) == ("deduced_by_rr", body, 7)


@given(some.data())
def test_damage_is_never_more_than_a_foreign_job(data):
    body = bytearray(BY_GO)
    for _ in range(data.draw(some.integers(1, 4))):
        body[data.draw(some.integers(0, len(body) - 1))] = data.draw(some.integers(0, 255))
    job = decode_job(bytes(body), "p", 7)
    assert job.pipeline == "p" and job.id


@given(some.integers(0, len(BY_GO) - 1))
def test_a_truncated_gob_is_a_foreign_job(size):
    assert decode_job(BY_GO[:size], "p", 7).name == "deduced_by_rr"


@pytest.mark.parametrize("body", [b"\x00", b"\xff" * 20, b"\x05\xf8\xff\xff\xff\xff", gob.message(6, gob.text(b"x"))])
def test_odd_streams_are_refused(body):
    with pytest.raises(ValueError, match=r"gob"):
        GobDecoder().decode(body)


def test_a_stream_that_defines_more_behind_a_known_beginning_is_read_afresh():
    decoder = GobDecoder()
    short = gob.Struct("S", (gob.Field("A", gob.STRING), gob.Field("B", 65)))
    one = gob.definition(64, short, "S") + gob.message(64, b"\x01" + gob.text(b"a") + b"\x00")
    whole = one[: one.rindex(gob.message(64, b"\x01" + gob.text(b"a") + b"\x00"))]
    more = whole + gob.definition(65, gob.Listed(gob.STRING), "") + gob.message(64, b"\x02\x01\x01b\x00")
    for _ in range(2):
        assert decoder.decode(one) == {"A": b"a"}
        assert decoder.decode(more) == {"B": [b"b"]}
        with pytest.raises(ValueError, match="does not define: 65"):
            decoder.decode(whole + gob.message(64, b"\x02\x01\x01b\x00"))


@given(JOBS, some.integers(0, 30), some.integers(0, 255))
def test_what_a_decoder_knows_changes_nothing(job: Job, at: int, byte: int):
    body = bytearray(encode_job(job))
    body[-1 - at % len(body)] = byte

    def read(decoder: GobDecoder):
        try:
            return decoder.decode(bytes(body))
        except ValueError as err:
            return str(err)

    knowing = GobDecoder()
    knowing.decode(encode_job(job))
    assert read(knowing) == read(GobDecoder())
