"""Gathers groups into batches and hands them to the writer, one at a time: group commit.

While one batch is written and synced the next one fills. A batch somebody waits for goes as soon as the writer is
free, after the turn of the loop that began it; one nobody waits for may take `LINGER_S` to gather company, removals
alone `LAZY_S`. What failed
and was not awaited is kept and goes first, every `RETRY_S` until it succeeds; what was awaited fails.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from rrjobs.drivers.memory.journal.backlog import Backlog
from rrjobs.drivers.memory.journal.batch import Batch, Group
from rrjobs.drivers.memory.journal.codec import MAX_BODY_BYTES
from rrjobs.drivers.memory.journal.hand import Hand
from rrjobs.drivers.memory.journal.layout import HEADER_BYTES
from rrjobs.drivers.memory.journal.live import Live, Segment
from rrjobs.drivers.memory.journal.writer import Failed, Order, Writer, Written, error_of
from rrjobs.errors import JournalError

LINGER_S = 0.001
LAZY_S = 0.02
"""A batch costs a thread switch and more: too much for each handful of settled jobs."""
RETRY_S = 0.5
UNSYNCED_BYTES = 8 * 2**20
"""Written and not yet synced: what is kept in memory in case the sync fails."""
MANY = 50
"""New entries of one group that are worth being put into the index only while the disk is at work with them."""
ATTEMPTS_AT_CLOSE = 2
"""The second one goes to a new segment, should the first have cost the old one."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`every_push`: an awaited group waits for the disk, not only for the kernel. `sync_s`: everything else waits this
    long at most. `segment_bytes`: a segment takes nothing more from there on."""

    every_push: bool
    sync_s: float
    segment_bytes: int
    reserve_bytes: int


class Listener(Protocol):
    """What the committer tells of: one change of its fortune, and every batch that was written."""

    def failing(self, reason: str) -> None:
        """From now on, or for another reason than before."""
        ...

    def recovered(self) -> None:
        """Pushes are taken again."""
        ...

    def written(self, batch: Batch) -> None:
        """It is in its segment."""
        ...

    def stuck(self, segment: int) -> None:
        """Nothing can be written, and all that waits is removals; `segment` is the last one that is on disk."""
        ...


class Committer:
    """All of it on the event loop; the writer's thread sees a batch only between hand-over and answer."""

    def __init__(self, path: Path, writer: Writer, hand: Hand, live: Live, pace: Pace, listener: Listener) -> None:
        self._path = path
        self._writer = writer
        self._hand = hand
        self._live = live
        self._pace = pace
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._backlog = Backlog(live, pace.segment_bytes)
        self._busy = False
        self._soon = False
        self._closed = False
        self._linger: asyncio.TimerHandle | None = None
        self._lazy = False
        self._retry: asyncio.TimerHandle | None = None
        self._sync_timer: asyncio.TimerHandle | None = None
        self._sync_due = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.reason = ""

    @property
    def current(self) -> Segment:
        """Where the next group's bytes will stand."""
        return self._backlog.current

    def submit(self, group: Group) -> asyncio.Future[None]:
        """Done when the group is safe, in the sense of the pace; or JournalFull, JournalError, and it never was.

        Raises EntryGone. Cancelling the future changes nothing about the group.
        """
        segment, sync = self._room_for(group), self._pace.every_push
        if sync and len(group.numbers) >= MANY and not (group.replaced or group.removed):
            self._backlog.open.unplaced.append(group)
        else:
            self._live.apply(group, segment)
        return self._await(group, sync)

    def barrier(self) -> asyncio.Future[None]:
        """Done when everything before it is on disk."""
        return self._await(Group(self._live), sync=True)

    def keep(self, group: Group) -> None:
        """Write it with what comes next; it is kept until that succeeds. Raises EntryGone."""
        self._live.apply(group, self._room_for(group))
        self._append(group)

    def carry(self, group: Group, old: Segment) -> None:
        """Keep a copy of entries whose bytes stand in `old`."""
        segment = self._room_for(group)
        self._live.move(group.numbers, old, segment)
        self._append(group)

    def remove(self, numbers: Sequence[int]) -> None:
        """The short way for what is settled: no group, nobody waits. Raises EntryGone."""
        self._live.remove(numbers)
        self._backlog.open.removed += numbers
        if self._linger is None and not self._busy:
            self._wake()

    def remove_one(self, number: int) -> None:
        """As `remove`."""
        self._live.remove_one(number)
        self._backlog.open.removed.append(number)
        if self._linger is None and not self._busy:
            self._wake()

    def rotate(self) -> None:
        """What comes from now on stands in a new segment."""
        self._backlog.rotate()

    async def close(self) -> int:
        """Write what is left; returns how many changes could not be written."""
        for _ in range(ATTEMPTS_AT_CLOSE):
            with suppress(JournalError):
                await self.barrier()
                break
        self._closed = True
        await self._idle.wait()
        for timer in (self._linger, self._retry, self._sync_timer):
            if timer is not None:
                timer.cancel()
        return self._backlog.changes

    def _await(self, group: Group, sync: bool) -> asyncio.Future[None]:
        group.waiter = waiter = self._loop.create_future()
        batch = self._backlog.open
        batch.append(group)
        batch.urgent = True
        batch.sync |= sync
        if not self._busy:
            self._call_soon()
        return waiter

    def _room_for(self, group: Group) -> Segment:
        if group.size > MAX_BODY_BYTES:
            raise JournalError(f"{self._path}: a group of {group.size} bytes is too large", path=str(self._path))
        return self._backlog.current

    def _append(self, group: Group) -> None:
        self._backlog.open.append(group)
        if self._lazy and self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._linger is None and not self._busy and not self._soon:
            self._wake()

    def _wake(self) -> None:
        """See that the next batch goes in its time."""
        if self._busy:
            return
        backlog = self._backlog
        if self._sync_due or backlog.urgent or (backlog.queue and not self.reason):
            self._call_soon()
        elif self._linger is None and not self._soon and not self.reason and not backlog.open.empty:
            self._lazy = not backlog.open.groups
            self._linger = self._loop.call_later(LAZY_S if self._lazy else LINGER_S, self._flush)

    def _call_soon(self) -> None:
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Hand the next batch over; not while the writer has one."""
        self._soon = False
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._busy or self._closed:
            return
        batch = self._backlog.next()
        sync = batch.sync or self._sync_due or self._backlog.unsynced_bytes > UNSYNCED_BYTES
        guarded = batch.refusable
        reserve = self._pace.reserve_bytes if guarded or self.reason else 0
        written = partial(self._hand.tell, self._place, batch) if batch.unplaced else None
        order = Order(batch, sync, self._live.oldest.id, self._live.next_number, reserve, guarded, written)
        self._busy = True
        self._idle.clear()
        self._hand.submit(partial(self._writer.commit, order), partial(self._done, order))

    def _place(self, batch: Batch) -> None:
        """While the disk is busy with it."""
        segment = self._live.segments[batch.segment]
        for group in batch.unplaced:
            self._live.apply(group, segment)
        batch.unplaced = []

    def _done(self, order: Order, result: Written | Failed) -> None:
        self._busy = False
        if isinstance(result, Written):
            self._written(order, result)
        else:
            self._failed(order, result)
        if not self._busy:
            self._idle.set()
            self._wake()

    def _written(self, order: Order, result: Written) -> None:
        batch = order.batch
        self._live.resize(self._live.segments[batch.segment], result.end)
        if order.sync:
            self._synced()
        elif not batch.empty:
            self._backlog.written(batch)
            if self._sync_timer is None:
                self._sync_timer = self._loop.call_later(self._pace.sync_s, self._sync)
        if self.reason:
            self._fortune_turned(result.roomy)
        self._listener.written(batch)
        for group in batch.groups:
            waiter, group.waiter = group.waiter, None
            if waiter is not None:
                self._tell(group, safe=True)
                if not waiter.done():
                    waiter.set_result(None)

    def _tell(self, group: Group, *, safe: bool) -> None:
        """What others do wrong then must not hold up the journal."""
        if group.then is not None:
            try:
                group.then(safe)
            except Exception as err:
                self._loop.call_exception_handler({"message": f"{self._path}: after a push", "exception": err})

    def _fortune_turned(self, roomy: bool) -> None:
        """Something was written again: all is well when there is room for pushes too."""
        if not roomy:
            self._try_again(at_once=bool(self._backlog.queue))
            return
        self.reason = ""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._listener.recovered()

    def _synced(self) -> None:
        self._backlog.synced()
        self._sync_due = False
        if self._sync_timer is not None:
            self._sync_timer.cancel()
            self._sync_timer = None

    def _sync(self) -> None:
        self._sync_timer = None
        self._sync_due = True
        self._wake()

    def _failed(self, order: Order, failure: Failed) -> None:
        given_up = self._backlog.give_up(order.batch)
        self._live.resize(self._live.segments[order.batch.segment], HEADER_BYTES)
        if failure.segment in self._live.segments:
            self._live.resize(self._live.segments[failure.segment], failure.end)
        if failure.abandoned:
            self._backlog.abandon(failure.segment)
            self._synced()
        self._backlog.drop_empty()
        for group in given_up:
            self._refuse(group, failure)
        self._try_again(bool(given_up))
        if self._backlog.only_removals:
            self._listener.stuck(failure.segment)
        reason = str(error_of(self._path, failure.error))
        if reason != self.reason:
            self.reason = reason
            self._listener.failing(reason)

    def _refuse(self, group: Group, failure: Failed) -> None:
        self._tell(group, safe=False)
        waiter = group.waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(error_of(self._path, failure.error))
            waiter.exception()  # a pusher that was cancelled does not come back for it: no reason to complain

    def _try_again(self, at_once: bool) -> None:
        """At once when what failed held things that are now given up: what is left may fit."""
        if self._retry is not None:
            self._retry.cancel()
        self._retry = self._loop.call_later(0 if at_once else RETRY_S, self._again)

    def _again(self) -> None:
        self._retry = None
        if not self._busy:
            self._flush()
