"""Content of uploaded files on its way to disk: written by threads, at most a little ahead in memory."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from rrjobs.drivers.http.uploads import Upload, UploadStore
from rrjobs.protocol.http1.exchange import Wire

FLUSH_BYTES = 256 * 1024
"""Smaller contents are written in one go when the request is whole: a trip to a thread costs more than they do."""

HOLD_BYTES = 1024 * 1024
"""With this much waiting for the disk, the client has to wait too."""


class Spool:
    """The files of one request."""

    def __init__(self, store: UploadStore, threads: Executor, wire: Wire) -> None:
        self._store = store
        self._threads = threads
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._pending: list[tuple[Upload, bytes | None]] = []
        self._pending_bytes = 0
        self._busy = False
        self._holding = False
        self._discarded = False
        self._done: Callable[[], None] | None = None
        self.uploads: list[Upload] = []

    def begin(self, upload: Upload) -> None:
        """A file begins."""
        self.uploads.append(upload)

    def add(self, upload: Upload, data: bytes | None) -> None:
        """Content of a file; None is its end."""
        if self._discarded:
            return
        self._pending.append((upload, data))
        self._pending_bytes += 0 if data is None else len(data)
        if self._pending_bytes >= FLUSH_BYTES and not self._busy:
            self._flush()
        if self._pending_bytes >= HOLD_BYTES and not self._holding:
            self._holding = True
            self._wire.hold_reading()

    def finish(self, done: Callable[[], None]) -> None:
        """Call `done` when everything is on disk; at once if nothing has to go there."""
        self._done = done
        if not self._busy:
            self._go_on()

    def discard(self) -> None:
        """Remove the files; nobody will see them. Content that is being written is removed behind that."""
        if not self._discarded:
            self._discarded = True
            self._pending = []
            self._done = None
            if not self._busy:
                self._remove()

    def _flush(self) -> None:
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        self._busy = True
        self._loop.run_in_executor(self._threads, _write, pending, self._store).add_done_callback(self._written)

    def _written(self, future: "asyncio.Future[None]") -> None:
        self._busy = False
        future.result()
        if self._discarded:
            self._remove()
            return
        if self._holding:
            self._holding = False
            self._wire.go_on_reading()
        if not self._busy:
            self._go_on()

    def _go_on(self) -> None:
        if self._pending and (self._done is not None or self._pending_bytes >= FLUSH_BYTES):
            self._flush()
        elif self._done is not None:
            self._done()

    def _remove(self) -> None:
        if not self.uploads:
            return
        try:
            self._threads.submit(_remove, self.uploads, self._store)
        except RuntimeError:  # the server is past its end, and so are the threads
            _remove(self.uploads, self._store)


def _write(pending: list[tuple[Upload, bytes | None]], store: UploadStore) -> None:
    for upload, data in pending:
        if data is None:
            upload.finish(store)
        else:
            upload.write(data, store)


def _remove(uploads: list[Upload], store: UploadStore) -> None:
    for upload in uploads:
        upload.close()
    store.remove(uploads)
