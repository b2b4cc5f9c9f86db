"""A log file that is kept open, and rotated by size where that is wanted."""

import os
from pathlib import Path


class File:
    """Appends. With `max_bytes` a full file becomes `name.1`, that one `name.2`, and so on up to `backups`."""

    def __init__(self, path: Path, max_bytes: int = 0, backups: int = 0) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._open()

    def write(self, data: bytes) -> int:
        """See Target; files never make one wait long."""
        if self._max_bytes and self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
        taken = os.write(self._fd, data)
        self._size += taken
        return taken

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def close(self) -> None:
        """Once."""
        os.close(self._fd)

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        for number in range(self._backups - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        if self._backups:
            self._path.replace(self._numbered(1))
        else:
            self._path.unlink(missing_ok=True)
        os.close(self._fd)
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
