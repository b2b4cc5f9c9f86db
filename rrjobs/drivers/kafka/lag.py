"""How many records of partitions wait: what the broker has, without what is settled."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition

from rrjobs.drivers.kafka.window import Window, decode_metadata


async def lag(
    consumer: Any,
    places: Sequence[TopicPartition],
    windows: Mapping[TopicPartition, Window],
    *,
    grouped: bool,
    from_end: bool,
) -> int:
    """Records that are not settled, by us or by others of the group. Raises KafkaError.

    Where nobody has settled anything the count begins where reading will: at the start, or with `from_end` at the end.
    """
    if not places:
        return 0
    ends = await consumer.end_offsets(list(places))
    others = [place for place in places if place not in windows]
    committed = await consumer._coordinator.fetch_committed_offsets(others) if grouped and others else {}
    fresh = [place for place in others if place not in committed]
    starts = await consumer.beginning_offsets(fresh) if fresh and not from_end else {}
    total = 0
    for place in places:
        end = ends[place]
        if place in windows:
            total += max(0, end - windows[place].first() - windows[place].settled_above())
        elif place in committed:
            offset, metadata = committed[place].offset, committed[place].metadata
            total += max(0, end - offset - _settled(offset, metadata or ""))
        elif place in starts:
            total += max(0, end - starts[place])
    return total


def _settled(offset: int, metadata: str) -> int:
    unsettled, end = decode_metadata(metadata)
    return max(0, end - offset - len(unsettled)) if end > offset else 0
