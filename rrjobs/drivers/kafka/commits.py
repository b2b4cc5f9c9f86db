"""Commits what is settled, as one request for all that was asked for while the last one was on its way."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import aiokafka.errors as errors
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from rrjobs.drivers.kafka.client import said
from rrjobs.drivers.kafka.rights import NOT_PERMITTED, Rights
from rrjobs.drivers.kafka.window import Window
from rrjobs.errors import ConnectionLost

T = TypeVar("T")
Windows = Mapping[TopicPartition, Window]


class Fenced(Exception):
    """The group has gone on without us: what was to be committed is not."""


class Commits:
    """Of one consumer; without a group nothing is committed."""

    def __init__(self, consumer: Any, windows: Windows, rights: Rights, grouped: bool) -> None:
        self._consumer = consumer
        self._rights = rights
        self._windows = windows
        self._grouped = grouped
        self._turn = asyncio.Lock()
        self._asked = self._done = 0
        self._heard: Any = None

    async def commit(self, linger_s: float = 0.0) -> None:
        """All that was settled before is committed, after a wait for others. Raises ConnectionLost, Denied, Fenced."""
        if not self._grouped:
            return
        self._asked += 1
        wanted = self._asked
        async with self._turn:
            if self._done < wanted:
                if linger_s:
                    await asyncio.sleep(linger_s)
                wanted = self._asked
                await self._commit()
                self._done = wanted

    async def _commit(self) -> None:
        dirty = [window for window in self._windows.values() if window.dirty]
        offsets = {}
        for window in dirty:
            window.dirty = False
            offsets[TopicPartition(window.topic, window.partition)] = OffsetAndMetadata(*window.commit())
        if not offsets:
            return
        try:
            await self._coordinator().commit_offsets(None, offsets)
        except BaseException as err:
            for window in dirty:
                window.dirty = True
            if isinstance(err, errors.CommitFailedError):
                raise Fenced(said(err)) from err
            if isinstance(err, NOT_PERMITTED):
                raise self._rights.denied(err) from err
            if isinstance(err, errors.KafkaError):
                raise ConnectionLost(f"cannot commit: {said(err)}") from err
            raise
        self._rights.permitted(window.topic for window in dirty)

    def _coordinator(self) -> Any:
        """The consumer has it from its start on."""
        coordinator = self._consumer._coordinator
        if coordinator is not self._heard:
            coordinator._do_commit_offsets = heard(coordinator._do_commit_offsets)
            self._heard = coordinator
        return coordinator


def heard(work: Callable[..., Coroutine[Any, Any, T]]) -> "Callable[..., asyncio.Task[T]]":
    """`work` as a task whose error is no noise when nobody waits for it any more.

    aiokafka shields its commits from being cancelled; one that fails after that would be logged with its traceback.
    """

    def begun(*arguments: Any) -> "asyncio.Task[T]":
        task = asyncio.get_running_loop().create_task(work(*arguments))
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return task

    return begun
