"""A disk in memory that knows what is synced, can fail any call or crash at it, and what a crash may leave behind."""

import errno
import os
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path("/journal")
CHANGES = ("create", "write", "fdatasync", "truncate", "rename", "unlink", "sync_folder")
"""The calls that a crash can cut and a disk can refuse."""


@dataclass
class Inode:
    """`seen` is what reads see; `kept` what is on disk; `pending` how the one becomes the other."""

    seen: bytearray = field(default_factory=bytearray)
    kept: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)


def change(data: bytearray, offset: int, piece: bytes | None) -> None:
    """A write, or a truncation where `piece` is None."""
    if piece is None:
        del data[offset:]
    else:
        data.extend(bytes(max(0, offset - len(data))))
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    if piece is not None:
        data[offset : offset + len(piece)] = piece


class MemoryDisk:
    """Implements Disk. `fault(number, call)` names what happens at a call: "" for nothing, an errno's name, "short",
    "crash" before it, "crash after" it, "crash within" a write. After a crash every call fails."""

    def __init__(
        self, fault: Callable[[int, str], str] = lambda number, call: "", pause: Callable[[], None] = lambda: None
    ) -> None:
        """`pause` is called before every call, by whichever thread makes it."""
        self.fault = fault
        self.pause = pause
        self.calls = 0
        self.log: list[str] = []
        self.crashed = False
        self.free = 2**40
        self.names_seen: dict[Path, Inode] = {}
        self.names_kept: dict[Path, Inode] = {}
        self.names_pending: list[tuple[Path, Inode | None]] = []
        self._open: dict[int, Inode] = {}
        self._next_fd = 1000
        self._lock = threading.Lock()

    def claim(self, folder: Path) -> Callable[[], None]:
        return lambda: None

    def create(self, path: Path) -> int:
        self.pause()
        with self._lock:
            after = self._change("create")
            if path in self.names_seen:
                raise FileExistsError(errno.EEXIST, "exists")
            inode = Inode()
            self._rename(path, inode)
            self._crash_if(after)
            return self._descriptor(inode)

    def open(self, path: Path) -> int:
        return self._descriptor(self._find(path))

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        self.pause()
        with self._lock:
            if self.calls >= 0 and self.fault(self.calls, "write") in ("short", "crash within", "half ENOSPC"):
                return self._write_part(fd, bytes(data), offset)
            after = self._change("write")
            self._write(fd, bytes(data), offset)
            self._crash_if(after)
            return len(data)

    def fdatasync(self, fd: int) -> None:
        inode = self._open[fd]
        self.pause()
        with self._lock:
            try:
                after = self._change("fdatasync")
            except OSError:
                if not self.crashed:
                    inode.pending.clear()  # the kernel drops the pages, and reads still see them
                raise
            for offset, piece in inode.pending:
                change(inode.kept, offset, piece)
            inode.pending.clear()
            self._crash_if(after)

    def truncate(self, fd: int, length: int) -> None:
        self.pause()
        with self._lock:
            after = self._change("truncate")
            inode = self._open[fd]
            change(inode.seen, length, None)
            inode.pending.append((length, None))
            self._crash_if(after)

    def close(self, fd: int) -> None:
        del self._open[fd]

    def rename(self, old: Path, new: Path) -> None:
        self.pause()
        with self._lock:
            after = self._change("rename")
            inode = self._find(old)
            self._rename(old, None)
            self._rename(new, inode)
            self._crash_if(after)

    def unlink(self, path: Path) -> None:
        self.pause()
        with self._lock:
            after = self._change("unlink")
            self._find(path)
            self._rename(path, None)
            self._crash_if(after)

    def sync_folder(self, path: Path) -> None:
        self.pause()
        with self._lock:
            after = self._change("sync_folder")
            left = []
            for name, inode in self.names_pending:
                if name.parent == path:
                    self._keep_name(self.names_kept, name, inode)
                else:
                    left.append((name, inode))
            self.names_pending = left
            self._crash_if(after)

    def read(self, path: Path) -> bytes:
        self.pause()
        return bytes(self._find(path).seen)

    def names(self, folder: Path) -> list[str]:
        return [name.name for name in self.names_seen if name.parent == folder]

    def make_folder(self, path: Path) -> None: ...

    def free_bytes(self, folder: Path) -> int:
        return self.free

    @property
    def open_files(self) -> int:
        return len(self._open)

    def after_kill(self) -> "MemoryDisk":
        """What the next process finds when this one was killed and the machine went on."""
        return self._left({name: bytes(inode.seen) for name, inode in self.names_seen.items()})

    def after_crash(self, seed: int) -> "MemoryDisk":
        """What a machine may find after it lost its power: 0 nothing unsynced, 1 all of it, others any part, torn."""
        dice = random.Random(seed)
        survives = {0: lambda: False, 1: lambda: True}.get(seed, lambda: dice.random() < 0.5)
        names = dict(self.names_kept)
        for name, inode in self.names_pending:
            if survives():
                self._keep_name(names, name, inode)
        found = {}
        for name, inode in names.items():
            data = bytearray(inode.kept)
            for offset, piece in inode.pending:
                if survives():
                    torn = piece if piece is None or seed < 2 else piece[: dice.randint(0, len(piece))]
                    change(data, offset, torn)
            found[name] = bytes(data)
        return self._left(found)

    def _left(self, files: dict[Path, bytes]) -> "MemoryDisk":
        disk = MemoryDisk()
        for name, data in files.items():
            inode = Inode(bytearray(data), bytearray(data))
            disk.names_seen[name] = disk.names_kept[name] = inode
        return disk

    def _change(self, call: str) -> bool:
        """Count the call; True when the crash comes behind it."""
        if self.crashed:
            raise OSError(errno.EIO, "the machine is down")
        what = self.fault(self.calls, call)
        self.calls += 1
        self.log.append(call)
        if what == "crash":
            self.crashed = True
            raise OSError(errno.EIO, "the machine went down")
        if what.startswith("E"):
            raise OSError(getattr(errno, what), os.strerror(getattr(errno, what)))
        return what == "crash after"

    def _crash_if(self, after: bool) -> None:
        if after:
            self.crashed = True
            raise OSError(errno.EIO, "the machine went down")

    def _write_part(self, fd: int, data: bytes, offset: int) -> int:
        what = self.fault(self.calls, "write")
        half = (len(data) + 1) // 2
        with suppress(KeyError):
            self._write(fd, data[:half], offset)
        self.calls += 1
        self.log.append("write")
        if what == "half ENOSPC":
            raise OSError(errno.ENOSPC, "no space")
        self._crash_if(what == "crash within")
        return half

    def _write(self, fd: int, data: bytes, offset: int) -> None:
        inode = self._open[fd]
        change(inode.seen, offset, data)
        inode.pending.append((offset, data))

    def _descriptor(self, inode: Inode) -> int:
        self._next_fd += 1
        self._open[self._next_fd] = inode
        return self._next_fd

    def _find(self, path: Path) -> Inode:
        if path not in self.names_seen:
            raise FileNotFoundError(errno.ENOENT, "missing")
        return self.names_seen[path]

    def _rename(self, name: Path, inode: Inode | None) -> None:
        self._keep_name(self.names_seen, name, inode)
        self.names_pending.append((name, inode))

    @staticmethod
    def _keep_name(names: dict[Path, Inode], name: Path, inode: Inode | None) -> None:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode
