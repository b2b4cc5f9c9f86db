"""Replies cut anywhere, and those that are none."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rrjobs.drivers.beanstalk.reserver import parse_stats
from rrjobs.drivers.beanstalk.wire import Reply, Wire
from rrjobs.errors import ConnectionLost

STREAM = b"INSERTED 7\r\nRESERVED 7 5\r\na\r\nb\x00\r\nTIMED_OUT\r\nOK 9\r\n---\nid: 7\r\nDELETED\r\n"
REPLIES = [
    Reply(b"INSERTED", (b"7",)),
    Reply(b"RESERVED", (b"7",), b"a\r\nb\x00"),
    Reply(b"TIMED_OUT"),
    Reply(b"OK", (), b"---\nid: 7"),
    Reply(b"DELETED"),
]


class Nowhere(asyncio.Transport):
    """Takes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.aborted = True


@given(some.lists(some.integers(0, len(STREAM)), max_size=8))
def test_replies_are_read_however_they_are_cut(cuts):
    async def read():
        seen: list[Reply] = []
        wire = Wire(lambda reason: None)
        wire.connection_made(Nowhere())
        for _ in REPLIES:
            wire.send(b"x", seen.append)
        edges = sorted({0, len(STREAM), *cuts})
        for start, end in pairwise(edges):
            wire.data_received(STREAM[start:end])
        return seen

    assert asyncio.run(read()) == REPLIES


JUNK = [b"RESERVED 1 x\r\n", b"RESERVED 1 2\r\nabcdef", b"x" * 5000, b"DELETED\r\nDELETED\r\n"]


@pytest.mark.parametrize("junk", JUNK)
async def test_what_is_no_reply_ends_the_connection(junk):
    lost: list[str] = []
    wire, transport = Wire(lost.append), Nowhere()
    wire.connection_made(transport)
    asked = wire.ask(b"x")
    wire.data_received(junk)
    assert transport.aborted and "no reply" in lost[0]
    if not junk.startswith(b"DELETED"):
        with pytest.raises(ConnectionLost):
            await asked
    with pytest.raises(ConnectionLost):
        wire.send(b"y", lambda reply: None)


def test_numbers_of_the_statistics_are_found():
    assert parse_stats(b"---\nid: 7\ntube: a: b\nstate: reserved\npri: 3\n") == {"id": 7, "pri": 3}
