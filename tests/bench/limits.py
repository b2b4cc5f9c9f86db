"""What limits cost: CPU of the server per job, with each limit wide enough never to hold anything for long."""

from pathlib import Path
from statistics import median

from tests.bench import contenders, quiet, settings
from tests.bench.cpu import used
from tests.bench.pushing import BATCH, batch_of, jobs_server
from tests.bench.report import heading, plain_row, ratio_row

JOBS = 100_000
LIMITS: dict[str, contenders.Section] = {
    "max_workers": {"max_workers": 128},
    "concurrency": {"concurrency": 128, "concurrency_key": "tenant"},
    "rate": {"rate": {"limit": 1_000_000, "per_s": 1}},
    "aging_s": {"aging_s": 60},
}
"""128 is what two workers can hold at the deepest prefetch: nothing idles, and most jobs are held for a moment."""


def measure(folder: Path) -> None:
    """One table."""
    bare: list[float] = []
    limited: dict[str, list[float]] = {name: [] for name in LIMITS}
    for _ in range(settings.ROUNDS):
        bare.append(_cpu(folder, {}))
        for name, keys in LIMITS.items():
            limited[name].append(_cpu(folder, keys))
    heading(f"Limits: CPU s per 1,000 memory jobs, server, {settings.WORKERS} workers, prefetch auto")
    plain_row("without limits", bare)
    for name, values in limited.items():
        ratio_row(name, values, bare, f"without limits ({median(bare):.4f})")


def _cpu(folder: Path, limits: contenders.Section) -> float:
    with jobs_server(settings.jobs_worker(), folder, limits=limits) as server:
        batches = [batch_of(BATCH) for _ in range(JOBS // BATCH)]
        quiet.wait()
        before = used((server.pid,))
        for batch in batches:
            server.push_batch(batch)
        server.wait_for(0)
        return used((server.pid,)).per(before, JOBS / 1000).server
