"""What is not yet on disk, in order: written and unsynced, waiting for the writer, still being filled."""

from collections import deque
from itertools import pairwise

from rrjobs.drivers.memory.journal.batch import Batch, Group
from rrjobs.drivers.memory.journal.live import Live, Segment

BATCH_BYTES = 8 * 2**20
"""A batch takes no more groups from there on."""


class Backlog:
    """Batches on the event loop's side. The one that the writer has is in none of its lists."""

    def __init__(self, live: Live, segment_bytes: int) -> None:
        self._live = live
        self._segment_bytes = segment_bytes
        self._unsynced: list[Batch] = []
        self.open = Batch(live.newest.id)
        self.queue: deque[Batch] = deque()
        self.unsynced_bytes = 0

    @property
    def current(self) -> Segment:
        """Where the bytes of the next group will stand."""
        if self.open.size > BATCH_BYTES:
            self.seal()
        return self._live.segments[self.open.segment]

    @property
    def urgent(self) -> bool:
        """Somebody waits."""
        return self.open.urgent or any(batch.urgent for batch in self.queue)

    @property
    def changes(self) -> int:
        """How many puts and removals wait to be written."""
        columns = [batch.columns() for batch in (*self.queue, self.open)]
        return sum(len(numbers) + len(removed) for numbers, _, _, removed in columns)

    @property
    def only_removals(self) -> bool:
        """No group with a put waits for the disk."""
        batches = (*self._unsynced, *self.queue, self.open)
        return not any(group.numbers for batch in batches for group in batch.groups)

    def seal(self) -> None:
        """The open batch takes no more; the next one stands in a new segment when this one's is full."""
        batch = self.open
        self.queue.append(batch)
        size = self._live.segments[batch.segment].size
        size += sum(one.record_bytes for one in self.queue if one.segment == batch.segment)
        full = size >= self._segment_bytes
        self.open = Batch(self._live.begin_segment().id if full else batch.segment)

    def rotate(self) -> None:
        """What comes from now on stands in a new segment."""
        before = self.open.segment
        if self.open.groups or not self.open.empty:
            self.seal()
        if self.open.segment == before:
            self.open.segment = self._live.begin_segment().id

    def next(self) -> Batch:
        """The batch to write now; its bytes are counted as written."""
        if not self.queue:
            self.seal()
        batch = self.queue.popleft()
        segment = self._live.segments[batch.segment]
        self._live.resize(segment, segment.size + batch.record_bytes)
        return batch

    def written(self, batch: Batch) -> None:
        """It is with the kernel; keep it until `synced`, should the sync fail."""
        self._unsynced.append(batch)
        self.unsynced_bytes += batch.record_bytes

    def synced(self) -> None:
        """All that was written is on disk."""
        self._unsynced = []
        self.unsynced_bytes = 0

    def give_up(self, batch: Batch) -> list[Group]:
        """A batch could not be written and comes first again; everything that is awaited is taken out and undone.

        Those behind too: they would wait for as long as the kept ones cannot be written. In the order of their coming.
        """
        self.queue.appendleft(batch)
        given_up = [group for one in (self.open, *reversed(self.queue)) for group in one.give_up()]
        for group in given_up:
            self._live.undo(group)
        return given_up[::-1]

    def abandon(self, id: int) -> None:
        """Nothing more goes into that segment; what it held and may not be on disk is written again elsewhere."""
        unsynced = [batch for batch in self._unsynced if batch.segment == id]  # its predecessors were synced for it
        self.queue.extendleft(reversed(unsynced))
        self.synced()
        if id not in self._live.segments:
            return
        old = self._live.segments[id]
        new = self._live.segments.get(id + 1) or self._live.begin_segment()
        for batch in (*self.queue, self.open):
            if batch.segment == id:
                batch.segment = new.id
                self._live.move(batch.numbers(), old, new)

    def drop_empty(self) -> None:
        """Apart from those that begin a segment: a missing one would look like damage."""
        pairs = pairwise([*self.queue, self.open])
        self.queue = deque(batch for batch, after in pairs if not batch.empty or batch.segment != after.segment)
