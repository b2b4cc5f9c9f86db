"""Jobs as metrics (spec/jobs-and-rpc.md 3.10): what was pushed, and what became of what was executed."""

from collections.abc import Callable, Iterator

from rrjobs.pipeline.delivery import Delivery, JobDelivery, Judge, Settler
from rrjobs.pipeline.driver import Sink
from rrjobs.pipeline.outcome import Counter, Outcome
from rrjobs.services.distribution import Buckets
from rrjobs.services.exposition import Family, Sample, single
from rrjobs.services.metrics_config import DEFAULT_BUCKETS

_Push = tuple[str, str, str]


class JobMetrics:
    """Told of every push by the registry, and of every outcome by the sinks it watches."""

    def __init__(self) -> None:
        self.outcomes = dict.fromkeys(Counter, 0)
        self._accepted = 0
        self._refused = 0
        self._requests: dict[_Push, int] = {}
        self._latencies: dict[_Push, Buckets] = {}

    def pushed(self, pipeline: str, driver: str, batch: bool, accepted: int, refused: int, elapsed_s: float) -> None:
        """See PushListener. A push counts every job of it, as RoadRunner does."""
        self._accepted += accepted
        self._refused += refused
        key = (pipeline, driver, "batch" if batch else "single")
        if key not in self._requests:
            self._requests[key] = 0
            self._latencies[key] = Buckets(DEFAULT_BUCKETS)
        self._requests[key] += 1
        self._latencies[key].observe(elapsed_s)

    def watched(self, sink: Sink) -> Sink:
        """The same sink; outcomes of the jobs that pass it are counted."""
        return _WatchedSink(sink, self)

    def families(self) -> Iterator[Family]:
        """Everything."""
        counts = self.outcomes
        errors = counts[Counter.ERROR] + counts[Counter.FAILED]
        yield single("rr_jobs_jobs_ok", "counter", "Number of successfully processed jobs", counts[Counter.OK])
        yield single("rr_jobs_jobs_err", "counter", "Number of jobs error while processing", errors)
        yield single("rr_jobs_jobs_requeue", "counter", "Number of requeued jobs", counts[Counter.REQUEUED])
        yield single("rr_jobs_push_ok", "counter", "Number of successfully pushed jobs", self._accepted)
        yield single("rr_jobs_push_err", "counter", "Number of jobs that could not be pushed", self._refused)
        requests = [Sample(count, _labels(key)) for key, count in self._requests.items()]
        latencies = [sample for key, spread in self._latencies.items() for sample in spread.samples(_labels(key))]
        yield Family("rr_jobs_push_latency", "histogram", "Histogram of push latencies in seconds", latencies)
        yield Family("rr_jobs_requests_total", "counter", "Total number of push requests", requests)


def _labels(key: _Push) -> tuple[tuple[str, str], ...]:
    pipeline, driver, source = key
    return ("job", pipeline), ("driver", driver), ("source", source)


class _WatchedSink:
    """Puts a counting settler between a delivery and its driver."""

    def __init__(self, sink: Sink, metrics: JobMetrics) -> None:
        self._sink = sink
        self._metrics = metrics
        self._settlers: dict[int, _CountingSettler] = {}

    def put(self, delivery: Delivery) -> None:
        """See Sink."""
        self._watch(delivery)
        self._sink.put(delivery)

    def offer(self, delivery: Delivery) -> bool:
        """See Sink."""
        self._watch(delivery)
        return self._sink.offer(delivery)

    def when_room(self, wake: Callable[[], None]) -> None:
        """See Sink."""
        self._sink.when_room(wake)

    def remove(self, pipeline: str) -> list[Delivery]:
        """See Sink."""
        taken = self._sink.remove(pipeline)
        for delivery in taken:
            if isinstance(delivery, JobDelivery) and isinstance(delivery.settler, _CountingSettler):
                delivery.settler = delivery.settler.settler
        return taken

    def _watch(self, delivery: Delivery) -> None:
        if isinstance(delivery, JobDelivery) and not isinstance(delivery.settler, _CountingSettler):
            settler = delivery.settler
            watched = self._settlers.get(id(settler))
            if watched is None or watched.settler is not settler:
                watched = self._settlers[id(settler)] = _CountingSettler(settler, self._metrics)
            delivery.settler = watched


class _CountingSettler:
    """A driver's settler that counts first."""

    def __init__(self, settler: Settler, metrics: JobMetrics) -> None:
        self.name = settler.name
        self.settler = settler
        self._outcomes = metrics.outcomes

    @property
    def judge(self) -> Judge:
        """See Settler."""
        return self.settler.judge

    def settle(self, delivery: JobDelivery, outcome: Outcome) -> None:
        """See Settler."""
        self._outcomes[outcome.counter] += 1
        self.settler.settle(delivery, outcome)

    def take_back(self, delivery: JobDelivery, reason: str) -> None:
        """See Settler."""
        self.settler.take_back(delivery, reason)
