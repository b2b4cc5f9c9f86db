"""The seam to the file system: every call of the journal that a crash can cut short or a disk can refuse."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from rrjobs.drivers.memory.journal.lock import claim


class Disk(Protocol):
    """What the journal asks of a file system. Everything raises OSError; nothing here retries."""

    def claim(self, folder: Path) -> Callable[[], None]:
        """Make the folder if there is none and lock it; returns what gives it back. Raises JournalError only."""
        ...

    def create(self, path: Path) -> int:
        """A descriptor of a new, empty file; FileExistsError when there is one."""
        ...

    def open(self, path: Path) -> int:
        """A descriptor to write to an existing file."""
        ...

    def write(self, fd: int, data: memoryview | bytes, offset: int) -> int:
        """How many bytes were taken, which may be fewer than given."""
        ...

    def fdatasync(self, fd: int) -> None:
        """The file's bytes and its length are on disk."""
        ...

    def truncate(self, fd: int, length: int) -> None: ...

    def close(self, fd: int) -> None: ...

    def rename(self, old: Path, new: Path) -> None: ...

    def unlink(self, path: Path) -> None: ...

    def sync_folder(self, path: Path) -> None:
        """Names made, changed and removed in the folder are on disk."""
        ...

    def read(self, path: Path) -> bytes: ...

    def names(self, folder: Path) -> list[str]: ...

    def make_folder(self, path: Path) -> None:
        """Parents too, readable by nobody else, on disk on return; one that exists is fine."""
        ...

    def free_bytes(self, folder: Path) -> int:
        """What an ordinary user may still write there."""
        ...


class OsDisk:
    """The real one."""

    def claim(self, folder: Path) -> Callable[[], None]:
        """See Disk."""
        return claim(folder, self.make_folder)

    def create(self, path: Path) -> int:
        """See Disk."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)

    def open(self, path: Path) -> int:
        """See Disk."""
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def write(self, fd: int, data: memoryview | bytes, offset: int) -> int:
        """See Disk."""
        return os.pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        """See Disk."""
        os.fdatasync(fd)

    def truncate(self, fd: int, length: int) -> None:
        """See Disk."""
        os.ftruncate(fd, length)

    def close(self, fd: int) -> None:
        """See Disk."""
        os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        """See Disk."""
        old.rename(new)

    def unlink(self, path: Path) -> None:
        """See Disk."""
        path.unlink()

    def sync_folder(self, path: Path) -> None:
        """See Disk."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def read(self, path: Path) -> bytes:
        """See Disk."""
        return path.read_bytes()

    def names(self, folder: Path) -> list[str]:
        """See Disk."""
        return [path.name for path in folder.iterdir()]

    def make_folder(self, path: Path) -> None:
        """See Disk."""
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in missing:
            self.sync_folder(folder.parent)

    def free_bytes(self, folder: Path) -> int:
        """See Disk."""
        facts = os.statvfs(folder)
        return facts.f_bavail * facts.f_frsize
