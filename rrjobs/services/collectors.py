"""Metrics of the application: declared by the configuration or over RPC, moved over RPC (spec/jobs-and-rpc.md 2.4)."""

import re
from collections.abc import Iterator, Mapping, Sequence

from rrjobs.errors import RRJobsError
from rrjobs.services.distribution import Buckets, Quantiles
from rrjobs.services.exposition import Family, Sample
from rrjobs.services.metrics_config import CollectorConfig

MAX_SERIES = 10_000
"""Combinations of label values of one collector: an identifier used as a label would fill the memory."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*\Z")
_OPERATIONS = {
    "counter": ("Add",),
    "gauge": ("Add", "Sub", "Set"),
    "histogram": ("Observe",),
    "summary": ("Observe",),
}

Values = tuple[str, ...]


class MetricError(RRJobsError):
    """A metric cannot be declared or moved as asked; PHP sees the text."""


class Collector:
    """One metric with a series for each combination of label values."""

    def __init__(self, name: str, config: CollectorConfig) -> None:
        self.name = name
        self.full_name = "_".join(part for part in (config.namespace, config.subsystem, name) if part)
        self._config = config
        self._numbers: dict[Values, float] = {}
        self._spreads: dict[Values, Buckets | Quantiles] = {}
        if not _NAME.match(self.full_name):
            raise MetricError(f"{self.full_name!r} is not a valid metric name")
        for label in config.labels:
            if not _LABEL.match(label):
                raise MetricError(f"{label!r} is not a valid label name for {self.full_name!r}")
        if not config.labels:
            self._spread(()) if self._spreading else self._numbers.update({(): 0.0})

    def move(self, operation: str, value: float, labels: Sequence[str]) -> None:
        """Add, Sub, Set or Observe; raises MetricError."""
        if operation not in _OPERATIONS[self._config.type]:
            raise MetricError(
                f"collector does not support the requested operation: {self.name} does not support {operation}"
            )
        if self._config.type == "counter" and value < 0:
            raise MetricError(f"counter cannot decrease in value: {self.name}")
        series = self._series(labels)
        if operation == "Observe":
            self._spread(series).observe(value)
        elif operation == "Set":
            self._numbers[series] = value
        else:
            self._numbers[series] = self._numbers.get(series, 0.0) + (value if operation == "Add" else -value)

    def family(self) -> Family:
        """All series."""
        config, names = self._config, self._config.labels
        samples = [
            Sample(value, tuple(zip(names, labels, strict=True))) for labels, value in list(self._numbers.items())
        ]
        for labels, spread in list(self._spreads.items()):
            samples.extend(spread.samples(tuple(zip(names, labels, strict=True))))
        return Family(self.full_name, config.type, config.help, samples)

    @property
    def _spreading(self) -> bool:
        return self._config.type in ("histogram", "summary")

    def _series(self, labels: Sequence[str]) -> Values:
        """Labels of a collector that has none are ignored, as RoadRunner does."""
        names = self._config.labels
        if not names:
            return ()
        if not labels:
            raise MetricError(f"required labels for collector: {self.name}")
        if len(labels) != len(names):
            raise MetricError(
                f"inconsistent label cardinality: {self.name} has {len(names)} labels, {len(labels)} values were given"
            )
        series = tuple(labels)
        known = series in self._numbers or series in self._spreads
        if not known and len(self._numbers) + len(self._spreads) >= MAX_SERIES:
            raise MetricError(f"{self.name} has {MAX_SERIES} combinations of labels, the most it may have")
        return series

    def _spread(self, series: Values) -> Buckets | Quantiles:
        spread = self._spreads.get(series)
        if spread is None:
            config = self._config
            spread = Buckets(config.buckets) if config.type == "histogram" else Quantiles(config.objectives)
            self._spreads[series] = spread
        return spread


class Collectors:
    """All metrics of the application, by the short names that PHP uses."""

    def __init__(self, configured: Mapping[str, CollectorConfig]) -> None:
        """Raises MetricError for a name that Prometheus does not allow."""
        self._by_name: dict[str, Collector] = {}
        for name, config in configured.items():
            self.declare(name, config)

    def declare(self, name: str, config: CollectorConfig) -> None:
        """A name that is known stays as it is; raises MetricError when another collector has the full name."""
        if name in self._by_name:
            return
        made = Collector(name, config)
        if any(one.full_name == made.full_name for one in self._by_name.values()):
            raise MetricError(f"duplicate metrics collector registration attempted: {made.full_name}")
        self._by_name[name] = made

    def unregister(self, name: str) -> bool:
        """Whether there was one."""
        return self._by_name.pop(name, None) is not None

    def move(self, operation: str, name: str, value: float, labels: Sequence[str]) -> None:
        """Add, Sub, Set or Observe; raises MetricError."""
        collector = self._by_name.get(name)
        if collector is None:
            raise MetricError(f"undefined collector: {name}")
        collector.move(operation, value, labels)

    def families(self) -> Iterator[Family]:
        """Everything, in the order of declaration."""
        return (collector.family() for collector in list(self._by_name.values()))
