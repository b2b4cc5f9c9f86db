"""The metrics endpoint: everything that is counted, as Prometheus reads it (spec/jobs-and-rpc.md 7)."""

import time
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import SplitResult

from rrjobs.runtime.address import Address
from rrjobs.services.collectors import Collectors
from rrjobs.services.exposition import CONTENT_TYPE, Family, render
from rrjobs.services.metrics_config import MetricsConfig
from rrjobs.services.pages import Page, PageServer
from rrjobs.services.process_metrics import process_families

CACHE_S = 1.0
"""Answers younger than this are given again: who scrapes often does not slow down the requests."""

READ_TIMEOUT_S = 120.0

Source = Callable[[], Iterable[Family]]
"""Reads what is counted when it is asked for."""


class Metrics:
    """Answers on every path, as RoadRunner does; `start` raises AddressError, `stop` is safe twice."""

    def __init__(self, config: MetricsConfig, sources: Sequence[Source]) -> None:
        """Raises MetricError for a metric of `collect` that cannot be."""
        self.collectors = Collectors(config.collect)
        self._sources = (*sources, self.collectors.families, process_families)
        self._server = PageServer(config.address, self._page, READ_TIMEOUT_S)
        self._rendered = b""
        self._rendered_at = -CACHE_S

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._server.address

    def bind(self) -> None:
        """Listen, so that clients may queue."""
        self._server.bind()

    async def start(self) -> None:
        """Listen if nobody did, and serve."""
        await self._server.start()

    async def stop(self) -> None:
        """Close everything."""
        await self._server.stop()

    async def _page(self, target: SplitResult) -> Page:
        now = time.monotonic()
        if now - self._rendered_at >= CACHE_S:
            self._rendered = render(family for source in self._sources for family in source())
            self._rendered_at = now
        return Page(200, self._rendered, CONTENT_TYPE)
