"""The file `.pid`: which server of this directory runs, if one does.

A lock on the file says whether its server lives; the number in it alone may be anybody's by now. The lock goes with the
process, however that ends, so a file without a lock is a stale one.
"""

import fcntl
import os
from pathlib import Path
from typing import Self

from rrjobs.errors import RRJobsError

PID_FILE = ".pid"


class PidFile:
    """Held by a running server, from `take` to `give_up`."""

    def __init__(self, path: Path, descriptor: int, replaced: str) -> None:
        self.replaced = replaced
        """What stood in a stale file, or ""."""
        self._path = path
        self._fd = descriptor

    @classmethod
    def take(cls, path: Path) -> Self:
        """Write this process into the file; raises RRJobsError when a server holds it, or it cannot be written."""
        try:
            descriptor = _locked(path)
            replaced = os.read(descriptor, 64).decode("ascii", "replace").strip()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except BlockingIOError as err:
            running = path.read_text(errors="replace").strip() or "not known"
            raise RRJobsError(
                f"{path.absolute()}: a server of this directory runs already, process {running}: "
                "stop it first (`rrjobs stop`), or start without -p"
            ) from err
        except OSError as err:
            raise RRJobsError(f"cannot write {path.absolute()}: {os.strerror(err.errno or 0)}") from err
        return cls(path, descriptor, replaced)

    @classmethod
    def inherit(cls, path: Path, descriptor: int) -> Self:
        """The file of the server that this one takes over from, with its lock; raises as `take`."""
        if not _is_at(descriptor, path):
            os.close(descriptor)
            return cls.take(path)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return cls(path, descriptor, "")

    @property
    def descriptor(self) -> int:
        """Who has it has the lock."""
        return self._fd

    def let_go(self) -> None:
        """The file and its lock are another server's now; safe twice, and after `give_up`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def give_up(self) -> None:
        """Remove the file; safe twice."""
        if self._fd < 0:
            return
        if _is_at(self._fd, self._path):
            self._path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1


def running_server(path: Path) -> int:
    """The pid of the server that holds the file; raises RRJobsError saying why there is none."""
    try:
        text = path.read_text(errors="replace").strip()
        held = _is_held(path)
    except FileNotFoundError as err:
        raise RRJobsError(f"there is no {path.absolute()}: start the server with `rrjobs run -p`") from err
    except OSError as err:
        raise RRJobsError(f"cannot read {path.absolute()}: {os.strerror(err.errno or 0)}") from err
    if not held:
        raise RRJobsError(
            f"no server runs here: {path.absolute()} is stale, process {text or 'unknown'} is none of ours; "
            "the next start replaces it"
        )
    if not (text.isascii() and text.isdigit() and int(text) > 1):
        raise RRJobsError(f"{path.absolute()} does not hold a pid")
    if not _works_in(int(text), path.absolute().parent):
        raise RRJobsError(f"process {text} of {path.absolute()} is no server of this directory: is it a container's?")
    return int(text)


def _locked(path: Path) -> int:
    """A descriptor with the lock, of the file that really lies there; raises BlockingIOError when it is taken."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its server ended between the two calls and removed it


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _is_held(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _works_in(pid: int, directory: Path) -> bool:
    """Whether the process is at home in a directory; also where that is kept from us, since the lock says enough."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(directory)
    except FileNotFoundError:
        return False
    except OSError:
        return True
