"""Where reading of a partition begins that nobody has read before."""

from typing import Any

from aiokafka import TopicPartition

from rrjobs.drivers.kafka.config import OffsetConfig

START, END = -2, -1
"""Offsets that mean the first record there is, and what comes after the last."""


async def beginning(consumer: Any, place: TopicPartition, wanted: OffsetConfig) -> int:
    """The offset; what lies outside of the partition is brought to its nearest end. Raises KafkaError."""
    first: int = (await consumer.beginning_offsets([place]))[place]
    last: int = (await consumer.end_offsets([place]))[place]
    if wanted.type == "AfterMilli":
        found = (await consumer.offsets_for_times({place: max(0, wanted.value)}))[place]
        return last if found is None else int(found.offset)
    return max(first, min(last, _offset(wanted, first, last)))


def _offset(wanted: OffsetConfig, first: int, last: int) -> int:
    if wanted.type == "At" and wanted.value >= 0:
        return wanted.value
    if wanted.type == "Relative":
        return last + wanted.value
    if wanted.type == "AtStart" or (wanted.type == "At" and wanted.value == START):
        return first
    return last
