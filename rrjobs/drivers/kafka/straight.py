"""Sends a batch straight to its broker where nothing is before it.

The sender of aiokafka wakes up, drains what waits, makes a task and waits for all of its tasks, turn by turn of the
event loop: what comes alone takes two to three times as long through it. Numbers, retries and errors are the sender's
all the same: a batch is taken out as it takes one, and goes through its handler.
"""

import asyncio
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.producer.message_accumulator import MessageBatch


class _Place(NamedTuple):
    """What a batch wants to know of a record that somebody waits for."""

    offset: int
    timestamp: int


_FIRST = _Place(0, 0)


class Straight:
    """Beside the sender of one producer; a broker has one request of theirs at a time, so that numbers are in order."""

    def __init__(self, producer: Any) -> None:
        self._sender = producer._sender
        self._waiting = producer._message_accumulator
        self._cluster = producer.client.cluster
        self._numbers = producer._txn_manager
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def broker(self, place: TopicPartition) -> int | None:
        """The one that would get a batch for it now; None where the batch has to go the way of all others."""
        waiting, sender = self._waiting, self._sender
        if waiting._batches or waiting._closed or waiting._exception is not None:
            return None
        if self._numbers is not None and not self._numbers.has_pid():
            return None
        leader = self._cluster.leader_for_partition(place)
        if leader is None or leader < 0 or leader in sender._in_flight or place in sender._muted_partitions:
            return None
        return int(leader)

    def send(self, builder: Any, place: TopicPartition, broker: int) -> "asyncio.Future[Any]":
        """To what `broker` just said. Done when the brokers have it, or raises a KafkaError; safe to cancel."""
        waiting, sender = self._waiting, self._sender
        batch = MessageBatch(place, builder, waiting._batch_ttl, 0)
        waiting._batches[place].append(batch)
        waiting._pop_batch(place)
        sender._in_flight.add(broker)
        sender._muted_partitions.add(place)
        task = self._loop.create_task(sender._send_produce_req(broker, {place: batch}))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        confirmed: asyncio.Future[Any] = self._loop.create_future()
        batch._msg_futures.append((confirmed, _FIRST))  # the future of the batch itself must not be cancelled
        return confirmed

    async def close(self) -> None:
        """Nothing is sent any more; what is on its way is left."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """What came meanwhile, or has to be sent again, is the sender's."""
        self._tasks.discard(task)
        self._sender._fail_all(task)
        if self._waiting._batches:
            self._waiting._wakeup(self._waiting._waiter_future)
