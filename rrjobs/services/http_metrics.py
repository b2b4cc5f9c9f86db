"""Requests as metrics (spec/jobs-and-rpc.md 7.2); RoadRunner counts them with the middleware `http_metrics` only."""

import time
from collections.abc import Iterator, Mapping
from typing import Protocol, cast

from rrjobs.runtime.events import Events
from rrjobs.services.distribution import Buckets
from rrjobs.services.exposition import Family, Sample, single

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)


class Requests(Protocol):
    """What the HTTP driver knows of itself."""

    @property
    def active(self) -> int:
        """Requests waiting for a worker or on one."""
        ...

    @property
    def turned_away(self) -> int:
        """Requests for which no worker was free in time."""
        ...

    @property
    def shed(self) -> int:
        """Requests sent away because others wait too long already."""
        ...

    @property
    def body_bytes(self) -> int:
        """What bodies of requests take in memory."""
        ...


class HttpMetrics:
    """Listens to `http.request`; made before the HTTP driver, which asks once whether anybody does."""

    def __init__(self, events: Events) -> None:
        self._counts: dict[int, int] = {}
        self._durations: dict[int, Buckets] = {}
        self._began = time.monotonic()
        events.subscribe("http.request", self._answered)

    def families(self, requests: Requests) -> Iterator[Family]:
        """Everything."""
        statuses = sorted(self._counts)
        counts = [Sample(self._counts[status], (("status", str(status)),)) for status in statuses]
        durations = [
            sample for status in statuses for sample in self._durations[status].samples((("status", str(status)),))
        ]
        uptime_s = time.monotonic() - self._began
        yield Family("rr_http_request_total", "counter", "Total number of handled http requests", counts)
        yield Family("rr_http_request_duration_seconds", "histogram", "HTTP request duration", durations)
        yield single("rr_http_requests_queue", "gauge", "Total number of queued requests", requests.active)
        yield single(
            "rr_http_no_free_workers_total", "counter", "Requests that found no free worker", requests.turned_away
        )
        yield single("rrjobs_http_shed_total", "counter", "Requests sent away by http.max_wait", requests.shed)
        yield single("rrjobs_http_body_bytes", "gauge", "Request bodies held in memory", requests.body_bytes)
        yield single("rr_http_uptime_seconds", "counter", "Uptime in seconds", uptime_s)

    def _answered(self, name: str, fields: Mapping[str, object]) -> None:
        status = cast(int, fields["status"])
        if status not in self._counts:
            self._counts[status] = 0
            self._durations[status] = Buckets(BOUNDS)
        self._counts[status] += 1
        self._durations[status].observe(cast(float, fields["elapsed_ms"]) / 1000)
