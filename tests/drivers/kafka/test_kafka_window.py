"""What may be committed of a partition, against a model that keeps every offset by itself."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rrjobs.drivers.kafka.window import MOST_METADATA, SLACK, Window, decode_metadata, encode_metadata


class Partition(RuleBasedStateMachine):
    """Records exist at some offsets; each is delivered until it is settled, never twice at once, never after that."""

    def __init__(self) -> None:
        super().__init__()
        self.window = Window("t", 0, 5)
        self.end = 5
        self.records: set[int] = set()
        self.settled: set[int] = set()
        self.running: set[int] = set()
        self.position = 5

    @rule(gap=st.integers(0, 3), count=st.integers(1, 6))
    def written(self, gap: int, count: int) -> None:
        self.end += gap
        self.records |= set(range(self.end, self.end + count))
        self.end += count

    @rule(most=st.integers(1, 8))
    def read(self, most: int) -> None:
        for offset in sorted(one for one in self.records if one >= self.position)[:most]:
            wanted = self.window.arrive(offset)
            assert wanted == (offset not in self.settled and offset not in self.running)
            self.running |= {offset} if wanted else set()
            self.position = offset + 1
        if not any(one >= self.position for one in self.records):
            self.position = self.end
        self.window.passed(self.position)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.running)))
        assert self.window.settle(offset)
        assert not self.window.settle(offset)
        self.running.discard(offset)
        self.settled.add(offset)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def given_back(self, data: st.DataObject) -> None:
        for offset in data.draw(st.lists(st.sampled_from(sorted(self.running)), unique=True)):
            self.window.put_back(offset)
            self.running.discard(offset)
        self.position = self.window.reread()

    @rule()
    def taken_over_by_another_server(self) -> None:
        offset, metadata = self.window.commit()
        self.window = Window("t", 0, offset, metadata)
        self.running.clear()
        self.position = offset

    @invariant()
    def nothing_unsettled_is_committed(self) -> None:
        offset, metadata = self.window.commit()
        unsettled = self.records - self.settled
        assert all(one >= offset for one in unsettled)
        left_open, known_to = decode_metadata(metadata)
        assert all(one in left_open for one in unsettled if one < known_to)
        assert self.window.pending == len(self.running)

    @invariant()
    def everything_settled_is_known_to_the_next_owner(self) -> None:
        offset, metadata = self.window.commit()
        left_open, known_to = decode_metadata(metadata)
        assert all(one < offset or (one < known_to and one not in left_open) for one in self.settled)


TestPartition = Partition.TestCase
TestPartition.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_slow_record_costs_no_memory_for_those_behind_it():
    window = Window("t", 0, 0)
    for offset in range(50_000):
        assert window.arrive(offset)
        if offset:
            window.settle(offset)
    assert len(window._order) <= 2 * SLACK
    offset, metadata = window.commit()
    assert offset == 0 and len(metadata) < 30 and window.settled_above() == 49_999
    window.settle(0)
    assert window.commit() == (50_000, "")


def test_metadata_that_would_be_too_long_says_less_and_nothing_wrong():
    def every_second() -> Iterator[int]:
        return iter(range(0, 100_000, 2))

    text = encode_metadata(0, 100_000, every_second())
    assert len(text) <= MOST_METADATA
    unsettled, end = decode_metadata(text)
    assert 1000 < end < 100_000
    assert unsettled == frozenset(range(0, end, 2))


@given(st.text() | st.binary().map(lambda raw: "rr1:" + raw.hex()) | st.just("rr1:gICA"))
def test_metadata_of_others_says_nothing_or_is_a_range(text):
    unsettled, end = decode_metadata(text)
    assert end >= 0 and all(one >= 0 for one in unsettled)


def test_records_that_were_deleted_hold_nothing_back():
    window = Window("t", 0, 0)
    for offset in range(4):
        window.arrive(offset)
    for offset in range(4):
        window.put_back(offset)
    assert window.reread() == 0
    assert window.arrive(10)
    window.passed(11)
    window.settle(10)
    assert window.commit() == (11, "")
