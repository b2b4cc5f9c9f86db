"""Uploaded files: which are taken, where they lie, how they are told to PHP (spec/worker-and-http.md 5.5)."""

import contextlib
import fcntl
import os
import secrets
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

from rrjobs.drivers.http.config import UploadsConfig

NO_TEMP_DIR = 6
CANNOT_WRITE = 7
FORBIDDEN_EXTENSION = 8

_LOCK = "rrjobs-uploads-{}.lock"
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Upload:
    """One file of a request. `path` is its temporary file, empty when there is none."""

    __slots__ = ("_descriptor", "error", "mime", "name", "path", "size")

    def __init__(self, name: str, mime: str) -> None:
        self.name = name
        self.mime = mime
        self.size = 0
        self.error = 0
        self.path = ""
        self._descriptor = -1

    def leaf(self) -> dict[str, object]:
        """What PHP is told."""
        return {"name": self.name, "mime": self.mime, "size": self.size, "error": self.error, "tmpName": self.path}

    def refuse(self) -> None:
        """Its extension is not taken."""
        self.error = FORBIDDEN_EXTENSION

    def write(self, data: bytes, store: "UploadStore") -> None:
        """Append to the temporary file, which the first write makes. Blocks; errors end up in `error`."""
        if self.error:
            return
        if self._descriptor < 0 and not self._create(store):
            return
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            self.error = CANNOT_WRITE
            self.size = 0
            self.close()
            store.remove([self])
            self.path = ""
        else:
            self.size += len(data)

    def finish(self, store: "UploadStore") -> None:
        """No more will be written; a file without content is made now."""
        if not self.error and self._descriptor < 0:
            self._create(store)
        self.close()

    def close(self) -> None:
        """Close the temporary file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _create(self, store: "UploadStore") -> bool:
        try:
            self._descriptor, self.path = store.create()
        except OSError:
            self.error = NO_TEMP_DIR
            return False
        return True


class UploadStore:
    """The temporary files of one server, `upload` and digits in `uploads.dir`.

    Beside them lies a locked file that holds the digits they all begin with: a later server that can lock it knows
    that their owner is gone, and removes them. Everything here blocks, and may be called from threads.
    """

    def __init__(self, config: UploadsConfig, owner: tuple[int, int] | None = None) -> None:
        self.directory = config.dir or tempfile.gettempdir()
        self._forbid = frozenset(map(str.lower, config.forbid))
        self._allow = frozenset(map(str.lower, config.allow))
        self._owner = owner
        self._prefix = ""
        self._lock = -1
        self._claiming = threading.Lock()

    def refuses(self, name: str) -> bool:
        """Whether a file of that name is not taken: forbidden, or not among those allowed."""
        extension = _extension(name)
        return extension in self._forbid or (bool(self._allow) and extension not in self._allow)

    def open(self) -> None:
        """Remove what dead servers left behind."""
        with contextlib.suppress(OSError):
            for lock in Path(self.directory).glob(_LOCK.format("*")):
                _sweep(lock)

    def create(self) -> tuple[int, str]:
        """A new file, open for writing, and its path; raises OSError."""
        if not self._prefix:
            self._claim()
        path = f"{self.directory}/upload{self._prefix}{secrets.randbelow(10**10):010d}"
        descriptor = os.open(path, _FLAGS, 0o600)
        if self._owner is not None and all(self._owner):
            try:
                os.fchown(descriptor, *self._owner)
            except OSError:
                os.close(descriptor)
                Path(path).unlink(missing_ok=True)
                raise
        return descriptor, path

    def remove(self, uploads: Iterable[Upload]) -> None:
        """Delete the temporary files that are still there; PHP may have moved them."""
        for upload in uploads:
            if upload.path:
                with contextlib.suppress(OSError):
                    Path(upload.path).unlink()

    def close(self) -> None:
        """Give up the claim; safe twice."""
        if self._lock >= 0:
            with contextlib.suppress(OSError):
                Path(self.directory, _LOCK.format(self._prefix)).unlink()
            os.close(self._lock)
            self._lock = -1
            self._prefix = ""

    def _claim(self) -> None:
        with self._claiming:
            while not self._prefix:
                prefix = f"{secrets.randbelow(10**12):012d}"
                path = Path(self.directory, _LOCK.format(prefix))
                descriptor = os.open(path, _FLAGS, 0o600)
                if _is_ours(descriptor, path):
                    self._lock, self._prefix = descriptor, prefix
                else:
                    os.close(descriptor)


def _is_ours(descriptor: int, path: Path) -> bool:
    """Lock a new file; False when a sweeping server was faster and took it for a dead one's."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.exists()
    except BlockingIOError:
        return False


def _extension(name: str) -> str:
    """From the last dot on, in lower case; empty without a dot."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot >= 0 else ""


def _sweep(lock: Path) -> None:
    """Remove the files of the server that owned this lock, if it is dead."""
    prefix = lock.name.removeprefix("rrjobs-uploads-").removesuffix(".lock")
    if not prefix.isdigit():
        return
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in lock.parent.glob(f"upload{prefix}*"):
            left.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
    except OSError:
        return
    finally:
        os.close(descriptor)
