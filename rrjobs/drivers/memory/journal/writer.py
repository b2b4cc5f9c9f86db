"""Puts batches into segment files: the only place that writes to a running journal; used by one thread.

A file whose fdatasync failed is never trusted again: the kernel may have dropped the pages it could not write and call
the next fdatasync a success. It is left at its last good end, and the next batch begins a new segment that says where
that end was.
"""

import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rrjobs.drivers.memory.journal.batch import Batch
from rrjobs.drivers.memory.journal.codec import encode
from rrjobs.drivers.memory.journal.disk import Disk
from rrjobs.drivers.memory.journal.layout import HEADER_BYTES, Header, encode_header, new_header, segment_name
from rrjobs.errors import JournalError, JournalFull

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Order:
    """One batch to write. `oldest` and `next_number` go into the header should it begin a segment. It is `roomy`
    when the disk will have `reserve_bytes` left (not looked at when 0); a `guarded` one is refused otherwise.
    `written` is called by the writer's thread once the batch is with the kernel, before it is synced."""

    batch: Batch
    sync: bool
    oldest: int
    next_number: int
    reserve_bytes: int = 0
    guarded: bool = False
    written: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The batch is in its segment, which is now `end` bytes long."""

    end: int
    roomy: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing of the batch counts. `segment` is the file that was current and `end` its last good byte; when it was
    abandoned, what was not synced of it does not count either."""

    error: OSError
    segment: int
    end: int
    abandoned: bool


def error_of(path: Path, err: OSError) -> JournalError:
    """What an error of the disk means to those who use the journal."""
    if err.errno in FULL:
        return JournalFull(f"{path}: the disk is full: {err.strerror or err}", path=str(path))
    return JournalError(f"{path}: {err.strerror or err}", path=str(path))


class Writer:
    """The current segment file, or none after a failure."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder
        self._fd = -1
        self._segment = 0
        self._seed = 0
        self._end = 0
        self._synced = 0
        self._sealed = True
        self._abandoned = False

    def resume(self, header: Header, end: int) -> None:
        """Go on in an existing segment, cut at `end`, all of it on disk. Raises OSError."""
        self._fd = self._disk.open(self._folder / segment_name(header.id))
        self._segment, self._seed, self._end, self._synced = header.id, header.seed, end, end
        try:
            self._disk.truncate(self._fd, end)
            self._disk.fdatasync(self._fd)
        except OSError:
            self._let_go()
            raise

    def commit(self, order: Order) -> Written | Failed:
        """Write the batch, beginning its segment if it is another one, and sync where the order says so.

        Never raises: whoever waits would wait for ever. What is no error of the disk is told as one.
        """
        try:
            return self._commit(order)
        except Exception as err:
            self._abandon()
            return Failed(OSError(errno.EIO, f"unexpected {err!r}"), self._segment, self._end, self._abandoned)

    def _commit(self, order: Order) -> Written | Failed:
        self._abandoned = False
        try:
            roomy = self._look_for_room(order)
            if order.batch.segment != self._segment:
                self._finish()
                self._begin(new_header(order.batch.segment, self._end, order.oldest, order.next_number))
            self._append(order.batch)
            if order.written is not None:
                order.written()
            if order.sync:
                self._sync()
        except OSError as err:
            return Failed(err, self._segment, self._end, self._abandoned)
        return Written(self._end, roomy)

    def close(self) -> OSError | None:
        """End with a record that proves all before it; what went wrong, if anything."""
        try:
            if self._fd >= 0 and not self._sealed:
                self._sync()
                self._write(encode((), b"", (), (), self._seed, self._end, 0))
                self._sync()
        except OSError as err:
            return err
        finally:
            self._let_go()
        return None

    def _look_for_room(self, order: Order) -> bool:
        if not order.reserve_bytes:
            return True
        roomy = self._disk.free_bytes(self._folder) - order.batch.record_bytes >= order.reserve_bytes
        if order.guarded and not roomy:
            raise OSError(errno.ENOSPC, f"less than {order.reserve_bytes} bytes would be left on the disk")
        return roomy

    def _finish(self) -> None:
        """The current segment takes no more; its successor may only begin when all of it is on disk."""
        self._sync()
        self._let_go()

    def _begin(self, header: Header) -> None:
        path = self._folder / segment_name(header.id)
        try:
            fd = self._disk.create(path)
        except FileExistsError:  # an attempt that failed half-way; nothing was ever written behind its header
            if len(self._disk.read(path)) > HEADER_BYTES:
                raise
            self._disk.unlink(path)
            fd = self._disk.create(path)
        try:
            self._write_at(fd, memoryview(encode_header(header)), 0)
            self._disk.fdatasync(fd)
            self._disk.sync_folder(self._folder)
        except OSError:
            with suppress(OSError):
                self._disk.close(fd)
            with suppress(OSError):
                self._disk.unlink(path)
            raise
        self._fd, self._segment, self._seed = fd, header.id, header.seed
        self._end = self._synced = HEADER_BYTES

    def _append(self, batch: Batch) -> None:
        if batch.empty:
            return
        record = encode(*batch.columns(), self._seed, self._end, self._end - self._synced)
        try:
            self._write(record)
        except OSError as err:
            self._cut(err)
            raise

    def _write(self, record: bytearray) -> None:
        self._write_at(self._fd, memoryview(record), self._end)
        self._end += len(record)
        self._sealed = False

    def _write_at(self, fd: int, data: memoryview, offset: int) -> None:
        while data:
            taken = self._disk.write(fd, data, offset)
            if taken <= 0:
                raise OSError(errno.EIO, "the disk takes no more bytes")
            data = data[taken:]
            offset += taken

    def _sync(self) -> None:
        if self._synced < self._end:
            try:
                self._disk.fdatasync(self._fd)
            except OSError:
                self._abandon()
                raise
            self._synced = self._end

    def _cut(self, err: OSError) -> None:
        """A full disk leaves a good file behind, once what was half written to it is gone."""
        if err.errno in FULL:
            with suppress(OSError):
                self._disk.truncate(self._fd, self._end)
                return
        self._abandon()

    def _abandon(self) -> None:
        self._abandoned = True
        self._end = self._synced
        with suppress(OSError):
            self._disk.truncate(self._fd, self._end)
        self._let_go()

    def _let_go(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                self._disk.close(fd)
