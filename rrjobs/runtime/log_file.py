"""A log file that is kept open, and rotated by size where that is wanted."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from rrjobs.runtime.log_archive import compress, forget, shift

CLOSE_WAIT_S = 5.0
"""How long compressing a file may keep the server from ending; what is not done stays as it was."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is full, and what becomes of full ones; 0 is no limit, for `backups` too none are kept."""

    max_bytes: int = 0
    backups: int = 0
    max_age_s: float = 0.0
    compress: bool = False


class File:
    """Appends. A full file becomes `name.1`, that one `name.2`, and so on."""

    def __init__(self, path: Path, rotation: Rotation = Rotation()) -> None:
        self._path = path
        self._rotation = rotation
        self._compressing: Thread | None = None
        self._open()
        if rotation.max_bytes:
            self._forget()

    def write(self, data: bytes) -> int:
        """See Target; files never make one wait long."""
        if self._rotation.max_bytes and self._size and self._size + len(data) > self._rotation.max_bytes:
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
        if self._compressing is not None:
            self._compressing.join(CLOSE_WAIT_S)

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        """Not while the last full file is being compressed: this one may grow meanwhile."""
        if self._compressing is not None and self._compressing.is_alive():
            return
        shift(self._path, self._rotation.backups)
        self._forget()
        os.close(self._fd)
        self._open()
        if self._rotation.compress and self._rotation.backups:
            self._compressing = Thread(target=compress, args=(self._path,), name="log compression", daemon=True)
            self._compressing.start()

    def _forget(self) -> None:
        age_s = self._rotation.max_age_s
        forget(self._path, self._rotation.backups, time.time() - age_s if age_s else 0.0)
