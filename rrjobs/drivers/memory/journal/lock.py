"""Whose a journal's folder is: it must be a folder, ours, ours to write, and nobody else's at the same time."""

import asyncio
import fcntl
import os
import pwd
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from rrjobs.drivers.memory.journal.layout import LOCK_NAME, segment_id
from rrjobs.errors import JournalError, JournalInUse

POLL_S = 0.02
"""A lock tells nobody that it is free."""


def claim(folder: Path, make: Callable[[Path], None]) -> Callable[[], None]:
    """Lock a journal for writing, making its folder if there is none; returns what gives it back.

    The lock is of the open file, not of the process: a second pipeline of this process is refused too, and the kernel
    gives it back when the process is killed. Raises JournalInUse, JournalError.
    """
    check_folder(folder, missing_is_fine=True)
    try:
        make(folder)
        fd = os.open(folder / LOCK_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise JournalError(f"{folder}: cannot keep a journal here: {err.strerror or err}", path=str(folder)) from err
    _lock(fd, folder)
    os.ftruncate(fd, 0)
    with suppress(OSError):  # a full disk: then nobody can read who has it
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
    return partial(os.close, fd)


def hold(path: Path) -> Callable[[], None]:
    """Lock one file, made if need be, its folders too; returns what gives it back. Raises JournalInUse, OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    _lock(fd, path)
    return partial(os.close, fd)


async def in_turn(claim: Callable[[], Callable[[], None]], wait_s: float) -> Callable[[], None]:
    """The claim, tried again for so long while another process has it. Raises as `claim`, JournalInUse at the end."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        try:
            return claim()
        except JournalInUse:
            if loop.time() >= until:
                raise
        await asyncio.sleep(POLL_S)


def claim_for_reading(folder: Path) -> Callable[[], None]:
    """Keep a server from opening it meanwhile; writes nothing, and any owner's will do. Raises as `claim`."""
    check_folder(folder, missing_is_fine=False, owner_matters=False)
    try:
        fd = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return lambda: None
    except OSError as err:
        raise JournalError(f"{folder}: cannot be read: {err.strerror}", path=str(folder)) from err
    _lock(fd, folder)
    return partial(os.close, fd)


def check_folder(folder: Path, missing_is_fine: bool, owner_matters: bool = True) -> None:
    """Raises JournalError when it is no folder, holds something else than a journal, or is another user's."""
    path = str(folder)
    try:
        names = [one.name for one in folder.iterdir()]
        owner = folder.stat().st_uid
    except FileNotFoundError as err:
        if missing_is_fine:
            return
        raise JournalError(f"{path}: there is no such folder", path=path) from err
    except NotADirectoryError as err:
        raise JournalError(f"{path}: not a folder; a journal is a folder of segment files", path=path) from err
    except OSError as err:
        raise JournalError(f"{path}: cannot be read: {err.strerror}", path=path) from err
    foreign = set(names) - {"lost+found"}  # which a file system of its own begins with
    if foreign and LOCK_NAME not in names and not any(segment_id(name) is not None for name in names):
        raise JournalError(f"{path}: the folder holds other files and no journal; name an empty or new one", path=path)
    if owner_matters and owner != os.geteuid():
        text = f"{path}: belongs to {_user(owner)}, and this process runs as {_user(os.geteuid())}"
        raise JournalError(text, path=path)


def _lock(fd: int, folder: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
        os.close(fd)
        who = f"process {holder}" if holder != str(os.getpid()) else "another pipeline of this process"
        raise JournalInUse(f"{folder}: in use by {who}", path=str(folder)) from err


def _user(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
