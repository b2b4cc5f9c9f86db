"""The commands that start the workers of a configuration, and the programs in them."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from rrjobs.config.root import Root
from rrjobs.worker.config import PoolConfig


def pools(root: Root) -> Iterator[PoolConfig]:
    """Every pool the server would start."""
    if root.any_mode is not None:
        yield root.any_mode.pool
        return
    if root.http is not None:
        yield root.http.pool
    if root.jobs is not None:
        yield from root.jobs.pools.values() or (root.jobs.pool,)


def commands(root: Root) -> list[tuple[str, ...]]:
    """The different ones, in order."""
    common = root.server.command if root.server else ()
    found = (pool.command or common for pool in pools(root))
    return list(dict.fromkeys(one for one in found if one))


def interpreter(command: Sequence[str]) -> str | None:
    """The PHP that a command runs, as it is written; None when something stands before it, such as docker or sudo."""
    return command[0] if PurePath(command[0]).name.startswith("php") else None


def program(command: Sequence[str], directory: Path) -> Path | None:
    """The worker program, if the command names a file that is there."""
    for word in command[1:] if interpreter(command) else command:
        path = directory / word
        if not word.startswith("-") and path.suffix in (".php", "") and path.is_file():
            return path
    return None
