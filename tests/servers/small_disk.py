"""A disk of a few megabytes for one server, in a mount namespace of its own: it can be filled and emptied.

It lives in memory, and outlives the server's processes: a holder keeps the namespace.
"""

import errno
import os
import subprocess
from pathlib import Path
from typing import Self

from servers.process import ServerMissing

_HOLD = 'mount -t tmpfs -o size="$2" tmpfs "$1" && echo mounted && exec sleep infinity'
_CHUNK = bytes(65536)


class SmallDisk:
    """At `path`, for commands that begin with `inside`; a context. Raises ServerMissing where nobody may mount one."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self._size_bytes = size_bytes

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True)
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _HOLD, "sh", str(self.path)]
        self._holder = subprocess.Popen(
            [*command, str(self._size_bytes)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self._holder.stdout is not None and self._holder.stderr is not None
        if self._holder.stdout.readline() != b"mounted\n":
            reason = self._holder.stderr.read().decode().strip()
            self.__exit__()
            raise ServerMissing(f"this machine lets nobody mount a disk of their own: {reason}")
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.kill()
        self._holder.communicate()

    @property
    def inside(self) -> list[str]:
        """What a command begins with, so that it sees the disk."""
        return ["nsenter", "--user", "--mount", "--preserve-credentials", "-t", str(self._holder.pid)]

    def fill(self) -> None:
        """Not a byte is left."""
        with self._ballast.open("ab", buffering=0) as file:
            for chunk in (_CHUNK, b"\0"):
                while self._written(file.fileno(), chunk):
                    pass

    def empty(self) -> None:
        """As much room as before `fill`."""
        self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return Path(f"/proc/{self._holder.pid}/root{self.path}/ballast")

    def _written(self, file: int, chunk: bytes) -> bool:
        try:
            return os.write(file, chunk) > 0
        except OSError as err:
            if err.errno != errno.ENOSPC:
                raise
            return False
