"""The key `pool.reserve`: workers that are kept free for urgent deliveries."""

from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import MAX_INTEGER, Int
from rrjobs.worker.scaling_config import MAX_WORKERS


class ReserveConfig(Section):
    """Workers that jobs of less urgent priorities do not get; requests of a shared pool are never held back."""

    workers: Int = setting(..., "So many workers.", unit="processes", ge=0, le=MAX_WORKERS)
    priority: Int = setting(
        0,
        "They are for deliveries of this priority and lower numbers; requests have `http.priority`.",
        ge=-MAX_INTEGER,
        le=MAX_INTEGER,
    )
