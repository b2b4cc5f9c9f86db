"""The order of batches, and the segments they begin, when what they held is given up."""

import asyncio

import pytest

from rrjobs.drivers.memory.journal import backlog as backlog_module
from rrjobs.drivers.memory.journal.backlog import Backlog
from rrjobs.drivers.memory.journal.batch import Batch, Group
from rrjobs.drivers.memory.journal.layout import HEADER_BYTES
from rrjobs.drivers.memory.journal.live import Live, Segment

SEGMENT_BYTES = 200


@pytest.fixture
def live() -> Live:
    return Live({}, {1: Segment(1, HEADER_BYTES)}, 1)


@pytest.fixture
def backlog(live, monkeypatch) -> Backlog:
    monkeypatch.setattr(backlog_module, "BATCH_BYTES", 50)
    return Backlog(live, SEGMENT_BYTES)


def put(backlog: Backlog, live: Live, payload: bytes, awaited: bool) -> Group:
    """As the committer does."""
    group = Group(live)
    group.add(1, payload)
    live.apply(group, backlog.current)
    if awaited:
        group.waiter = asyncio.get_running_loop().create_future()
    backlog.open.append(group)
    return group


def segments_of(batches: list[Batch]) -> list[int]:
    return [batch.segment for batch in batches]


async def test_a_segment_that_was_promised_is_begun_although_all_it_was_to_hold_is_given_up(backlog, live):
    for _ in range(8):
        put(backlog, live, b"x" * 60, awaited=True)
    first = backlog.next()
    assert backlog.open.segment > 2
    assert len(backlog.give_up(first)) == 8
    backlog.drop_empty()
    promised = segments_of([*backlog.queue, backlog.open])
    assert promised == list(range(1, backlog.open.segment + 1))
    assert live.places == {}


async def test_what_is_kept_stays_in_its_order_when_its_segment_is_abandoned(backlog, live):
    written = put(backlog, live, b"0", awaited=False)
    batch = backlog.next()
    backlog.written(batch)
    kept = [put(backlog, live, b"%d" % one, awaited=False) for one in range(1, 3)]
    failed = backlog.next()
    refused = put(backlog, live, b"refused", awaited=True)
    behind = put(backlog, live, b"3", awaited=False)
    assert backlog.give_up(failed) == [refused]
    backlog.abandon(1)
    backlog.drop_empty()
    batches = [*backlog.queue, backlog.open]
    assert [group for one in batches for group in one.groups] == [written, *kept, behind]
    assert set(segments_of(batches)) == {2}
    assert live.segments[1].entries == 0
    assert live.segments[2].entries == 4
