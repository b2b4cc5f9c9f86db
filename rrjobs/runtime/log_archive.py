"""Full log files beside the one that is written: `name.1` is the newest, `name.2.gz` an older, compressed one."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

_ENDS = ("", ".gz")
_UNFINISHED = ".gz.part"


def shift(path: Path, backups: int) -> None:
    """Make room for the full file at `path` and move it to `name.1`; with no backups it is removed."""
    if not backups:
        path.unlink(missing_ok=True)
        return
    for end in _ENDS:
        _numbered(path, backups, end).unlink(missing_ok=True)
    for number in range(backups - 1, 0, -1):
        for end in _ENDS:
            with contextlib.suppress(FileNotFoundError):
                _numbered(path, number, end).replace(_numbered(path, number + 1, end))
    path.replace(_numbered(path, 1))


def forget(path: Path, backups: int, oldest: float) -> None:
    """Remove files beyond the number of backups, last written before `oldest` (unix time), or only half compressed."""
    for number, found in _archived(path):
        with contextlib.suppress(OSError):
            if number > backups or found.name.endswith(_UNFINISHED) or found.stat().st_mtime < oldest:
                found.unlink()


def compress(path: Path) -> None:
    """Turn `name.1` into `name.1.gz`, which is there whole or not at all; runs in a thread."""
    import gzip  # imported here: few logs are compressed
    import shutil

    full, part = _numbered(path, 1), _numbered(path, 1, _UNFINISHED)
    try:
        with full.open("rb") as source, gzip.open(part, "wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
        status = full.stat()
        os.utime(part, (status.st_atime, status.st_mtime))
        part.replace(_numbered(path, 1, ".gz"))
        full.unlink()
    except OSError:  # a full disk: the file stays as it is, and is no worse a log for it
        part.unlink(missing_ok=True)


def _archived(path: Path) -> Iterator[tuple[int, Path]]:
    number = re.compile(re.escape(path.name) + r"\.(\d+)(\.gz|\.gz\.part)?")
    for found in list(path.parent.iterdir()):
        match = number.fullmatch(found.name)
        if match:
            yield int(match[1]), found


def _numbered(path: Path, number: int, end: str = "") -> Path:
    return path.with_name(f"{path.name}.{number}{end}")
