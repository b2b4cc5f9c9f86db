"""Whether the limits of this machine let a configuration have what it asks for."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from rrjobs.cli.checks.commands import pools
from rrjobs.cli.checks.finding import Finding, State
from rrjobs.config.root import Root

BASE_FILES = 64
FILES_PER_WORKER = 8
"""Four ends of pipes and one of the process; a reset has twice the workers for a moment."""

STATUS_CONNECTIONS = 256
PIPES_PER_WORKER = 3
PIPE_PAGES = 16
SOFT_PAGES = Path("/proc/sys/fs/pipe-user-pages-soft")


def check_machine(root: Root | None, soft_pages: Path = SOFT_PAGES) -> Iterator[Finding]:
    """Descriptors and pipes."""
    workers = sum(pool.most_workers for pool in pools(root)) if root else 0
    yield _files(root, workers)
    if root is not None and not ((root.server.relay if root.server else None) or "").startswith(("tcp", "unix")):
        yield from _pipes(workers, soft_pages)


def wanted_files(root: Root, workers: int) -> int:
    """Descriptors with every connection open and every pool in the middle of a reset."""
    http = root.http.limits.max_connections if root.http else 0
    rpc = root.rpc.max_connections if root.rpc else 0
    pages = STATUS_CONNECTIONS * sum(section is not None for section in (root.status, root.metrics))
    return BASE_FILES + FILES_PER_WORKER * workers * 2 + http + rpc + pages


def _files(root: Root | None, workers: int) -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 0 or root is None:
        return Finding("open files", State.OK, "no limit" if hard < 0 else f"{hard} allowed")
    wanted = wanted_files(root, workers)
    if hard >= wanted:
        return Finding("open files", State.OK, f"{hard} allowed, {wanted} wanted at most")
    text = f"{hard} allowed, {wanted} wanted at most: raise it (ulimit -n, LimitNOFILE=), or lower max_connections"
    return Finding("open files", State.WARNING, text)


def _pipes(workers: int, soft_pages: Path) -> Iterator[Finding]:
    """Beyond the soft limit of a user the kernel gives pipes of two pages: prefetch has no room there."""
    try:
        allowed = int(soft_pages.read_text())
    except (OSError, ValueError):
        return
    wanted = workers * PIPES_PER_WORKER * PIPE_PAGES * 2
    if allowed == 0 or wanted <= allowed or os.geteuid() == 0:
        yield Finding("pipes", State.OK, f"{wanted} pages wanted at most, {allowed or 'any number'} allowed to a user")
        return
    text = (
        f"{wanted} pages wanted at most, {allowed} allowed to a user: pipes become small and slow; raise {soft_pages}"
    )
    yield Finding("pipes", State.WARNING, text)
